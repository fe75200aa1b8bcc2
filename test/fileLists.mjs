// Test files that the scripts name. test/architecture.test.ts checks that each exists.

// `npm run test:quick`: one file for each subject of the API, except for webhooks, whose tests wait.
export const QUICK = [
  'test/unit',
  'test/architecture.test.ts',
  'test/language.test.ts',
  'test/api/acknowledgeAlert.test.ts',
  'test/api/apiKeys.test.ts',
  'test/api/audit.test.ts',
  'test/api/badRequests.test.ts',
  'test/api/eraseApplicant.test.ts',
  'test/api/historyPaging.test.ts',
  'test/api/idempotency.test.ts',
  'test/api/models.test.ts',
  'test/api/operations.test.ts',
  'test/api/outcomes.test.ts',
  'test/api/predictRisk.test.ts',
  'test/api/predictRiskBatch.test.ts',
  'test/api/riskSummary.test.ts',
  'test/api/subscriptions.test.ts',
]

// They begin in this order: one that began last would run on beside idle workers. `npm test` prints the slowest at its end.
export const LONGEST = [
  'test/security/authorization.test.ts',
  'test/integration/firstStart.test.ts',
  'test/integration/webhookFaults.test.ts',
  'test/security/hostileDocuments.test.ts',
  'test/integration/postgresCrash.test.ts',
  'test/integration/riskSummary.test.ts',
  'test/integration/commandLine.test.ts',
  'test/integration/exportHistory.test.ts',
  'test/api/slowSubscribers.test.ts',
  'test/security/rateLimits.test.ts',
  'test/security/personalData.test.ts',
  'test/integration/traces.test.ts',
  'test/integration/apiKeys.test.ts',
  'test/integration/keyCommand.test.ts',
  'test/integration/databaseUrl.test.ts',
  'test/security/apiKeys.test.ts',
  'test/security/keyRotation.test.ts',
  'test/integration/historyReads.test.ts',
  'test/integration/gatewayCrash.test.ts',
  'test/unit/alerts/feed.test.ts',
  'test/unit/server/streams/webSocket.test.ts',
  'test/unit/auth/keySet.test.ts',
  'test/unit/webhooks/webhookCourier.test.ts',
]

// `npm run test:days`.
export const DEPENDS_ON_TODAY = [
  'test/integration/clocks.test.ts',
  // History, summaries, partitions and retention.
  'test/integration/historyReads.test.ts',
  'test/integration/historyRandom.test.ts',
  'test/integration/historyTotals.test.ts',
  'test/integration/riskSummary.test.ts',
  'test/integration/migrations.test.ts',
  'test/integration/predictionRetention.test.ts',
  'test/integration/feedRetention.test.ts',
  'test/integration/outcomes.test.ts',
  'test/integration/upkeep.test.ts',
  'test/integration/exportHistory.test.ts',
  // Keys, certificates and deliveries that expire.
  'test/integration/apiKeys.test.ts',
  'test/integration/apiKeyStore.test.ts',
  'test/integration/keyCommand.test.ts',
  'test/integration/webhookOutbox.test.ts',
  'test/integration/auditSealing.test.ts',
  'test/security/tls.test.ts',
  'test/security/keyRotation.test.ts',
  'test/unit/auth',
  'test/unit/monitoring',
  'test/unit/server/transport',
  'test/unit/storage',
  'test/api',
]
