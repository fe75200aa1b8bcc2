export function isRunFolder(path: string): boolean
export function makeRunFolder(): string
export function removeRunFolder(folder: string, endingMs?: number): Promise<string[]>
export function exists(pid: number): boolean
