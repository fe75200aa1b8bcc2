export class Clock implements Disposable {
  constructor(requirements: { library: string; compiler: string })
  at(instant: Date, timeZone?: string): Record<string, string>
  [Symbol.dispose](): void
}
