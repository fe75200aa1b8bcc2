/** What ONNX Runtime says of a graph, on one line and without the place in its source. */
export function saidBy(error: unknown): string {
  const words = (error as Error).message.replace(/\s+/g, ' ').trim()
  return words.replace(/^\/onnxruntime_src\/.*\) (?=\S)/, '').replace(/\.$/, '')
}
