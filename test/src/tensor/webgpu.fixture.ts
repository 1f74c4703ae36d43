/**
 * Tests on WebGPU compile shaders for a minute: they run when SCDL_TEST_WEBGPU is set, as
 * `npm run webgpu` does after it has found a driver.
 */
export const NO_WEBGPU = process.env["SCDL_TEST_WEBGPU"] === undefined;
export const TITLE = NO_WEBGPU ? "webgpu: not tested here, see `npm run webgpu`" : "webgpu";
