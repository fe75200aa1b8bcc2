import type { FeatureValues } from '../../scoring/features.js'

const bits = new Int32Array(1)
const float = new Float32Array(bits.buffer)

/** The float32 number next to `value`, above (1) or below (-1). */
function float32Beside(value: number, direction: 1 | -1): number {
  float[0] = value
  if (float[0] === 0) return direction * 2 ** -149
  // Rising bits are rising distances from zero.
  bits[0] = (bits[0] as number) + (float[0] > 0 ? direction : -direction)
  return float[0]
}

/** The application with each of its numbers moved by one float32 step, up and down, one at a time. */
export function oneStepAway(features: FeatureValues): FeatureValues[] {
  return Object.entries(features).flatMap(([name, value]) =>
    typeof value === 'number' ? ([1, -1] as const).map(way => ({ ...features, [name]: float32Beside(value, way) })) : [],
  )
}
