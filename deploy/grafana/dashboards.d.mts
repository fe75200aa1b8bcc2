export interface Panel {
  readonly title: string
  readonly type: 'timeseries' | 'stat' | 'heatmap'
  readonly description: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit?: string
      readonly max?: number
      readonly custom?: { readonly stacking: { readonly mode: string } }
    }
  }
  readonly options: { readonly yAxis?: { readonly unit: string } }
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
}

/** The dashboards by the names of their files. */
export declare const DASHBOARDS: Readonly<
  Record<string, { readonly title: string; readonly description: string; readonly panels: readonly Panel[] }>
>
