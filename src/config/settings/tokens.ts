import { isName, ROLES } from '../../auth/principal.js'
import { SIGNATURE_ALGORITHMS } from '../../auth/verificationKey.js'
import { endpoint, isOneOf, list, mapping, secret, text } from './forms.js'

const ALGORITHMS = SIGNATURE_ALGORITHMS.join(', ')

/** How access tokens are verified, and what their claims mean. */
export const tokenSettings = {
  RISKGATE_JWT_SECRET: secret
    .optional()
    .describe(
      'shared secret for HS256; `riskgate token` signs with it. ' +
        'In development, without `RISKGATE_JWKS_URL`, a key is made in the state directory',
    ),
  RISKGATE_JWT_PREVIOUS_SECRET: secret.optional().describe('the secret before a rotation: it verifies and never signs'),
  RISKGATE_JWKS_URL: endpoint('https:', 'http:')
    .optional()
    .describe(
      'key set of a token issuer (Keycloak, Auth0, Entra ID). http only on this machine; no user or password in it. ' +
        'Set issuer and audience with it. A private CA: `NODE_EXTRA_CA_CERTS`. `HTTPS_PROXY` is not used',
    ),
  RISKGATE_JWT_ALGORITHMS: list(isOneOf(SIGNATURE_ALGORITHMS), `one or more of ${ALGORITHMS}`)
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .describe("algorithms of the issuer's keys. A key that names no algorithm uses the first of these that fits"),
  RISKGATE_JWT_ISSUER: text.default('riskgate').describe('must equal `iss` of the tokens'),
  RISKGATE_JWT_AUDIENCE: text.default('riskgate').describe('must equal `aud` of the tokens'),
  RISKGATE_JWT_ROLES_CLAIM: text
    .default('roles')
    .describe(
      'a claim of exactly this name (`https://bank.example/roles`), otherwise a path with dots (`realm_access.roles`). ' +
        'Its value is a list, or words in one text (`scope`)',
    ),
  RISKGATE_JWT_ROLE_MAP: mapping(isOneOf(ROLES), `a role (${ROLES.join(', ')})`)
    .optional()
    .describe(
      '`risk-desk=ANALYST,web-shop=SCORER`: only names in this map give a role. If not set, the claim holds our role names',
    ),
  RISKGATE_JWT_TENANT_CLAIM: text
    .default('tenant')
    .describe('found like the claim of the roles; a token without it belongs to `default`'),
  RISKGATE_JWT_TENANT_MAP: mapping(isName, 'a tenant (1 to 128 ASCII characters without spaces)')
    .optional()
    .describe('`3aa4a235=north`: a token of any other tenant is refused'),
}
