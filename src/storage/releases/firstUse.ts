import type { Database } from '../postgres/database.js'

// Each tenant costs a look into an index of every month.
const TENANTS_A_STATEMENT = 200

/**
 * Whether a stored prediction was made by this version. Asked once for each version, when it is stored: from then on its rollouts tell
 * whether it has served.
 */
export async function hasPredicted(database: Database, model: string, version: string): Promise<boolean> {
  for (let after: string | undefined = ''; after !== undefined; ) {
    const last: string = after
    const tenants: { tenant: string; found: boolean }[] = await database.read(
      ({ sql }) => sql<{ tenant: string; found: boolean }[]>`
        with recursive tenants as (
          (select tenant, 1 as number from predictions where tenant > ${last} order by tenant limit 1)
          union all
          select (select p.tenant from predictions p where p.tenant > t.tenant order by p.tenant limit 1), number + 1
          from tenants t where t.tenant is not null and number < ${TENANTS_A_STATEMENT}
        )
        select tenant, exists (
          select from predictions p where p.tenant = t.tenant and p.model = ${model} and p.model_version = ${version}
        ) as found
        from tenants t where tenant is not null order by number`,
    )
    if (tenants.some(({ found }) => found)) return true
    after = tenants.length < TENANTS_A_STATEMENT ? undefined : tenants.at(-1)?.tenant
  }
  return false
}
