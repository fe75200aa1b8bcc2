import { z } from 'zod'
import { flag, isAddressRange, isOrigin, list, text, wholeNumber } from './forms.js'

/** The process, and its network. */
export const serverSettings = {
  NODE_ENV: text.optional().describe('`production`: never development; `DATABASE_URL` and a key for tokens are required'),
  RISKGATE_DEVELOPMENT: flag.optional().describe('if not set, as described [above](#production-and-development)'),
  RISKGATE_HOST: text.default('127.0.0.1').describe('the address at which it listens; `localhost` is 127.0.0.1'),
  RISKGATE_PORT: wholeNumber(0, 65_535).default(4_000).describe('the port at which it listens; 0 is any free port'),
  RISKGATE_STATE_DIR: text
    .default('.riskgate')
    .describe('embedded database, development key and `dev.json`; a directory that the gateway may write to'),
  RISKGATE_MODELS_DIR: text.default('models').describe('the models folder: [models.md](../models.md)'),
  RISKGATE_DRAIN_MS: wholeNumber(0, 60_000)
    .default(700)
    .describe('milliseconds that load balancers get to notice that a replica stops; requests in hand then get 5 s'),
  RISKGATE_TLS_CERT_FILE: text
    .optional()
    .describe(
      'certificate with its chain (PEM): HTTPS. It is a path, not a secret. Renewed files are picked up within 5 s, without a restart',
    ),
  RISKGATE_TLS_KEY_FILE: text.optional().describe('key of the certificate (PEM, no passphrase)'),
  // Longer than load balancers keep their connections (60 s for most). Otherwise they would send a request into a connection that
  // is just closing.
  RISKGATE_KEEP_ALIVE_SECONDS: wholeNumber(1, 3_600)
    .default(72)
    .describe(
      'how long a connection may be idle between two requests; more than the proxy or load balancer in front keeps its own',
    ),
  RISKGATE_TRUSTED_PROXIES: list(isAddressRange, 'IP addresses or ranges such as 10.0.0.0/8')
    .default([])
    .describe('whose header about the client is trusted. Without it all clients behind a proxy are one address'),
  RISKGATE_FORWARDED_HEADER: z
    .enum(['x-forwarded-for', 'forwarded'], 'must be x-forwarded-for or forwarded')
    .default('x-forwarded-for')
    .describe(
      'where trusted proxies name the client: `x-forwarded-for` (and the host in `X-Forwarded-Host`), or `forwarded` (RFC 7239). ' +
        '[Forms](../security/rate-limits.md#addresses-behind-proxies)',
    ),
  RISKGATE_CORS_ORIGINS: list(isOrigin, 'origins such as https://desk.example')
    .default([])
    .describe('origins whose pages may call the API'),
}
