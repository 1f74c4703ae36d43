/**
 * The operators of libtorch that programs need, with the schemas they are called by. libtorch's C
 * interface promises its functions, not these schemas: each is looked for in the library that is
 * loaded, before anything is called (`verified-operators.ts`).
 *
 * Operators with an argument of type Scalar cannot be called; that is why a product with a number
 * takes a tensor without dimensions, and a norm is the root of a product.
 */
export const OPERATORS = {
  mul: "mul.Tensor(Tensor self, Tensor other) -> Tensor",
  div: "div.Tensor(Tensor self, Tensor other) -> Tensor",
  exp: "exp(Tensor self) -> Tensor",
  log: "log(Tensor self) -> Tensor",
  sqrt: "sqrt(Tensor self) -> Tensor",
  tanh: "tanh(Tensor self) -> Tensor",
  relu: "relu(Tensor self) -> Tensor",
  gelu: "gelu(Tensor self, *, str approximate='none') -> Tensor",
  geluBackward:
    "gelu_backward(Tensor grad_output, Tensor self, *, str approximate='none') -> Tensor",
  gt: "gt.Tensor(Tensor self, Tensor other) -> Tensor",
  ge: "ge.Tensor(Tensor self, Tensor other) -> Tensor",
  eq: "eq.Tensor(Tensor self, Tensor other) -> Tensor",
  ne: "ne.Tensor(Tensor self, Tensor other) -> Tensor",
  where: "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
  isfinite: "isfinite(Tensor self) -> Tensor",
  logicalNot: "logical_not(Tensor self) -> Tensor",
  minimum: "minimum(Tensor self, Tensor other) -> Tensor",
  bitwiseAnd: "bitwise_and.Tensor(Tensor self, Tensor other) -> Tensor",
  bitwiseXor: "bitwise_xor.Tensor(Tensor self, Tensor other) -> Tensor",
  shiftRight: "bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor",
  softmax: "_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
  softmaxBackward:
    "_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
  sum: "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
  argmax: "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
  dot: "dot(Tensor self, Tensor tensor) -> Tensor",
  expand: "expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)",
  reshape: "reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)",
  permute: "permute(Tensor(a) self, int[] dims) -> Tensor(a)",
  transpose: "transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
  unsqueeze: "unsqueeze(Tensor(a) self, int dim) -> Tensor(a)",
  squeeze: "squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)",
  cat: "cat(Tensor[] tensors, int dim=0) -> Tensor",
  stack: "stack(Tensor[] tensors, int dim=0) -> Tensor",
  slice:
    "slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)",
  roll: "roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor",
  matmul: "matmul(Tensor self, Tensor other) -> Tensor",
  linear: "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
  embedding:
    "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
  embeddingBackward:
    "embedding_dense_backward(Tensor grad_output, Tensor indices, SymInt num_weights, SymInt padding_idx, bool scale_grad_by_freq) -> Tensor",
  layerNorm:
    "native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)",
  layerNormBackward:
    "native_layer_norm_backward(Tensor grad_out, Tensor input, SymInt[] normalized_shape, Tensor mean, Tensor rstd, Tensor? weight, Tensor? bias, bool[3] output_mask) -> (Tensor, Tensor, Tensor)",
  dropout: "native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)",
  dropoutBackward:
    "native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor",
  logSoftmax: "_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
  logSoftmaxBackward:
    "_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
  nllLoss:
    "nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index) -> (Tensor output, Tensor total_weight)",
  nllLossBackward:
    "nll_loss_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index, Tensor total_weight) -> Tensor",
  attentionOnCpu:
    "_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, float dropout_p=0.0, bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None) -> (Tensor output, Tensor logsumexp)",
  attentionOnCpuBackward:
    "_scaled_dot_product_flash_attention_for_cpu_backward(Tensor grad_out, Tensor query, Tensor key, Tensor value, Tensor out, Tensor logsumexp, float dropout_p, bool is_causal, *, Tensor? attn_mask=None, float? scale=None) -> (Tensor grad_query, Tensor grad_key, Tensor grad_value)",
  flashAttention:
    "_scaled_dot_product_flash_attention(Tensor query, Tensor key, Tensor value, float dropout_p=0.0, bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, Tensor rng_state, Tensor unused, Tensor debug_attn_mask)",
  flashAttentionBackward:
    "_scaled_dot_product_flash_attention_backward(Tensor grad_out, Tensor query, Tensor key, Tensor value, Tensor out, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, float dropout_p, bool is_causal, Tensor philox_seed, Tensor philox_offset, *, float? scale=None) -> (Tensor grad_query, Tensor grad_key, Tensor grad_value)",
  efficientAttention:
    "_scaled_dot_product_efficient_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias, bool compute_log_sumexp, float dropout_p=0.0, bool is_causal=False, *, float? scale=None) -> (Tensor output, Tensor log_sumexp, Tensor philox_seed, Tensor philox_offset)",
  efficientAttentionBackward:
    "_scaled_dot_product_efficient_attention_backward(Tensor grad_out_, Tensor query, Tensor key, Tensor value, Tensor attn_bias, Tensor out, Tensor logsumexp, Tensor philox_seed, Tensor philox_offset, float dropout_p, bool[4] grad_input_mask, bool is_causal=False, *, float? scale=None) -> (Tensor, Tensor, Tensor, Tensor)",
  contiguous:
    "contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)",
  variableAttention:
    "_flash_attention_forward(Tensor query, Tensor key, Tensor value, Tensor? cum_seq_q, Tensor? cum_seq_k, SymInt max_q, SymInt max_k, float dropout_p, bool is_causal, bool return_debug_mask, *, float? scale=None, SymInt? window_size_left=None, SymInt? window_size_right=None, Tensor? seqused_k=None, Tensor? alibi_slopes=None) -> (Tensor output, Tensor softmax_logsumexp, Tensor rng_state, Tensor unused, Tensor debug_attn_mask)",
  variableAttentionBackward:
    "_flash_attention_backward(Tensor grad_out, Tensor query, Tensor key, Tensor value, Tensor out, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, float dropout_p, bool is_causal, Tensor rng_state, Tensor unused, *, float? scale=None, SymInt? window_size_left=None, SymInt? window_size_right=None) -> (Tensor, Tensor, Tensor)",
  variableEfficientAttention:
    "_efficient_attention_forward(Tensor query, Tensor key, Tensor value, Tensor? bias, Tensor? cu_seqlens_q, Tensor? cu_seqlens_k, SymInt? max_seqlen_q, SymInt? max_seqlen_k, float dropout_p, int custom_mask_type, bool compute_log_sumexp=False, *, float? scale=None, Tensor? seqlen_k=None, int? window_size=None) -> (Tensor output, Tensor logsumexp, Tensor philox_seed, Tensor philox_offset, SymInt max_seqlen_batch_q, SymInt max_seqlen_batch_k)",
  variableEfficientAttentionBackward:
    "_efficient_attention_backward(Tensor grad_out_, Tensor query, Tensor key, Tensor value, Tensor? bias, Tensor out, Tensor? cu_seqlens_q, Tensor? cu_seqlens_k, SymInt max_seqlen_q, SymInt max_seqlen_k, Tensor logsumexp, float dropout_p, Tensor philox_seed, Tensor philox_offset, int custom_mask_type, bool bias_requires_grad, *, float? scale=None, int? num_splits_key=None, int? window_size=None, bool shared_storage_dqdkdv=False) -> (Tensor, Tensor, Tensor, Tensor)",
  toCopy:
    "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
  foreachCopy: "_foreach_copy_(Tensor(a!)[] self, Tensor[] src, bool non_blocking=False) -> ()",
  foreachMul: "_foreach_mul.Tensor(Tensor[] self, Tensor other) -> Tensor[]",
  updateLossScale:
    "_amp_update_scale_(Tensor(a!) self, Tensor(b!) growth_tracker, Tensor found_inf, float scale_growth_factor, float scale_backoff_factor, int growth_interval) -> Tensor(a!)",
  adamw:
    "_fused_adamw_(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] exp_avg_sqs, Tensor(e!)[] max_exp_avg_sqs, Tensor[] state_steps, *, float lr, float beta1, float beta2, float weight_decay, float eps, bool amsgrad, bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()",
  adam: "_fused_adam_(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] exp_avg_sqs, Tensor(e!)[] max_exp_avg_sqs, Tensor[] state_steps, *, float lr, float beta1, float beta2, float weight_decay, float eps, bool amsgrad, bool maximize, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()",
  sgd: "_fused_sgd_(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] momentum_buffer_list, *, float weight_decay, float momentum, float lr, float dampening, bool nesterov, bool maximize, bool is_first_step, Tensor? grad_scale=None, Tensor? found_inf=None) -> ()",
} as const;

export type OperatorName = keyof typeof OPERATORS;
