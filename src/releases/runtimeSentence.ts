// The file, line and function of ONNX Runtime's source.
const PLACE = /\/onnxruntime_src\/\S+:\d+ .*?\) (?:const )?(?:\[with .*?\] )?/

/** What ONNX Runtime says of a graph, on one line and without the place in its source. */
export function saidBy(error: unknown): string {
  const words = (error as Error).message.replace(/\s+/g, ' ').trim()
  return words.replace(PLACE, '').replace(/\.$/, '')
}
