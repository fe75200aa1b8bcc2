import { env } from 'node:process'

// ONNX Runtime would otherwise keep a device id in the user's home and report events, error texts among them, to its maker. It
// reads this variable when it is loaded, so import this file before it.
env.ORT_DISABLE_TELEMETRY = '1'
