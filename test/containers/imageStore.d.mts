export declare function podmanOptions(folder: string): string[]
