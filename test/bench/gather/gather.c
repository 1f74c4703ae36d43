/*
 * Gathers batches of rows from an SCDL data set (float32 data, uint16 columns, uint32 row
 * pointers) into reused buffers with memcpy over mmap: what gather-parts.ts is measured against.
 *
 *     cc -O3 gather.c -o gather && ./gather DIRECTORY ORDER BATCH ROWS PASSES
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static const void *map(const char *directory, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s%s", directory, name);
  int fd = open(path, O_RDONLY);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) exit(1);
  const void *bytes = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) exit(1);
  return bytes;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  const float *data = map(argv[1], "/data.npy");
  const uint16_t *indices = map(argv[1], "/col_ptr.npy");
  const uint32_t *indptr = map(argv[1], "/row_ptr.npy");
  const uint32_t *order = map(argv[2], "");
  size_t batch = atol(argv[3]), rows = atol(argv[4]), passes = atol(argv[5]);
  size_t capacity = batch * 1300;
  float *out_data = malloc(capacity * sizeof *out_data);
  uint16_t *out_indices = malloc(capacity * sizeof *out_indices);
  uint64_t *out_indptr = malloc((batch + 1) * sizeof *out_indptr);
  printf("{\"seconds\":[");
  uint64_t check = 0;
  for (size_t pass = 0; pass < passes; pass++) {
    double start = now();
    check = 0;
    for (size_t first = 0; first + batch <= rows; first += batch) {
      uint64_t at = 0;
      out_indptr[0] = 0;
      for (size_t i = 0; i < batch; i++) {
        uint64_t begin = indptr[order[first + i]];
        uint64_t count = indptr[order[first + i] + 1] - begin;
        memcpy(out_data + at, data + begin, count * sizeof *data);
        memcpy(out_indices + at, indices + begin, count * sizeof *indices);
        at += count;
        out_indptr[i + 1] = at;
      }
      check += out_indices[at / 2] + at;
    }
    printf("%s%.6f", pass ? "," : "", now() - start);
  }
  printf("],\"check\":%llu}\n", (unsigned long long)check);
}
