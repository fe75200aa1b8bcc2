const FINAL_TEXT = 0x81
const LENGTH_IN_16_BITS = 126
const LENGTH_IN_64_BITS = 127

/**
 * Writes texts as the WebSocket messages of a server (RFC 6455, section 5.2) into one buffer. ws would make two buffers and a
 * callback for each message.
 */
export function textFrames(texts: readonly string[]): Buffer {
  const lengths = texts.map(text => Buffer.byteLength(text))
  const frames = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + headerLength(length) + length, 0))
  let at = 0
  texts.forEach((text, i) => {
    const length = lengths[i] ?? 0
    frames[at] = FINAL_TEXT
    if (length < LENGTH_IN_16_BITS) frames[at + 1] = length
    else if (length < 65_536) {
      frames[at + 1] = LENGTH_IN_16_BITS
      frames.writeUInt16BE(length, at + 2)
    } else {
      frames[at + 1] = LENGTH_IN_64_BITS
      frames.writeBigUInt64BE(BigInt(length), at + 2)
    }
    at += headerLength(length)
    at += frames.write(text, at)
  })
  return frames
}

function headerLength(length: number): number {
  if (length < LENGTH_IN_16_BITS) return 2
  return length < 65_536 ? 4 : 10
}
