import type { ZodType } from 'zod'

export function settingsPage(
  page: string,
  source: {
    readonly groups: Readonly<Record<string, Readonly<Record<string, ZodType>>>>
    readonly secrets: readonly string[]
    readonly refusals: readonly { readonly problem: string }[]
  },
): string
