import { parseRedisUrl, REDIS_URL_FORM } from '../redisUrl.js'
import { text } from './forms.js'

export const redisSettings = {
  REDIS_URL: text
    .superRefine((value, { addIssue }) => {
      const place = parseRedisUrl(value)
      if (typeof place === 'string') addIssue(place)
    })
    .meta({ form: REDIS_URL_FORM })
    .optional()
    .describe('needed as soon as there is more than one replica. [Forms](redis.md#address)'),
  RISKGATE_REDIS_CA_FILE: text
    .optional()
    .describe('certificates (PEM) of the authorities that Redis with TLS is verified against; if not set: those that Node knows'),
}
