// The file, line and function of ONNX Runtime's source.
const PLACE = /\/onnxruntime_src\/\S+:\d+ .*?\) (?:const )?(?:\[with .*?\] )?/

const NO_MEMORY = /allocate memory|bad_alloc|Array buffer allocation failed/

/** What ONNX Runtime says of a graph, on one line and without the place in its source. */
export function saidBy(error: unknown): string {
  const words = (error as Error).message.replace(/\s+/g, ' ').trim()
  const says = words.replace(PLACE, '').replace(/\.$/, '')
  return NO_MEMORY.test(says) ? `${says}. Where it needs as much, set RISKGATE_ADMISSION_MEMORY_MIB higher` : says
}
