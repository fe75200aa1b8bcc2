/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** Features of consumer-credit. Every field may be null here: required features, ranges and categories are checked row by row. */
export type ConsumerCreditFeaturesInput = {
  /**
   * Amount of the loan asked for, in thousands.
   *
   * Required, at least 1, at most 50000, in currency units, in thousands.
   */
  amount?: number | null | undefined;
  /**
   * Value of what the applicant owns, in thousands. Leave it out if unknown; 0 means nothing.
   *
   * Optional, at least 0, at most 1000000, in currency units, in thousands.
   */
  assets?: number | null | undefined;
  /**
   * What is still owed on those assets, for example on a mortgage, in thousands. Leave it out if unknown; 0 means nothing.
   *
   * Optional, at least 0, at most 100000, in currency units, in thousands.
   */
  debt?: number | null | undefined;
  /**
   * Regular living expenses, in thousands, for the same period as the income.
   *
   * Required, at least 0, at most 1000, in currency units, in thousands.
   */
  expenses?: number | null | undefined;
  /**
   * Where the applicant lives: rent (rented), owner (owned, by public deed), priv (bought by private contract), ignore (kind of contract not known), parents (with the parents), other. Leave it out if unknown.
   *
   * Optional, one of rent, owner, priv, ignore, parents, other.
   */
  home?: string | null | undefined;
  /**
   * Regular income, in thousands. Leave it out if unknown; 0 means that there is none.
   *
   * Optional, at least 0, at most 10000, in currency units, in thousands.
   */
  income?: number | null | undefined;
  /**
   * Kind of employment: fixed (permanent contract), partime (temporary or part-time contract), freelance (self-employed), others (any other situation). Leave it out if unknown.
   *
   * Optional, one of fixed, partime, freelance, others.
   */
  job?: string | null | undefined;
  /**
   * Price of the good that the loan is to pay for, in thousands.
   *
   * Required, at least 1, at most 100000, in currency units, in thousands.
   */
  price?: number | null | undefined;
  /**
   * Whether adverse credit records on the applicant exist, such as earlier payment defaults.
   *
   * Required.
   */
  records?: boolean | null | undefined;
  /**
   * Full years in the current job; 0 for less than one year.
   *
   * Required, a whole number, at least 0, at most 60, in years.
   */
  seniority?: number | null | undefined;
  /**
   * Term of the loan asked for, in months.
   *
   * Required, a whole number, at least 1, at most 120, in months.
   */
  time?: number | null | undefined;
};

/** One key for each served model. A contract grows by optional features only; any other change gets a new key. */
export type ModelFeaturesInput =
  {   /** Probability that an applicant for a consumer loan (credit to buy a good) will default. */
  consumerCredit: ConsumerCreditFeaturesInput; };

/** An application to score. */
export type PredictRiskInput = {
  /** The caller's own reference to the applicant: 1..128 printable characters without spaces at the ends, not beginning with `erased:`. Each spelling in Unicode is the same reference. Never personal data such as a name or document number. */
  applicantId: string | number;
  /** Where the application came from, for later analysis: web, mobile, branch, a product. 1..32 characters. */
  channel?: string | null | undefined;
  /** The features, typed from the contract of the model they are for. Naming the model's key selects the model. */
  features: ModelFeaturesInput;
  /** The same key with the same input: the first answer again, with `replayed: true`. The same key with other input: IDEMPOTENCY_KEY_REUSED. A key belongs to its tenant and principal, and is kept as long as the prediction. 1..255 printable ASCII characters without spaces. */
  idempotencyKey?: string | null | undefined;
};

/** Risk group, from the lowest probability of default (T1) to the highest (T8). Half-open intervals; T8 includes 1.0; cut-offs set per model version. */
export type RiskBand =
  | 'T1'
  | 'T2'
  | 'T3'
  | 'T4'
  | 'T5'
  | 'T6'
  | 'T7'
  | 'T8';

export type WhoAmIQueryVariables = Exact<{ [key: string]: never; }>;


export type WhoAmIQuery = { viewer: { id: string, tenant: string } };

export type CallerFragment = { id: string, tenant: string };

export type ScoreMutationVariables = Exact<{
  input: PredictRiskInput;
}>;


export type ScoreMutation = { predictRisk: { replayed: boolean, prediction: { id: string, band: RiskBand } } };

export type WatchSubscriptionVariables = Exact<{
  after?: string | null | undefined;
}>;


export type WatchSubscription = { highRiskScored: { cursor: string } };

export const CallerFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Caller"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Viewer"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"tenant"}}]}}]} as unknown as DocumentNode<CallerFragment, unknown>;
export const WhoAmIDocument = {"__meta__":{"hash":"sha256:32b2e7cd2f0bb8d93d3f78b067a4d944a8bf5accf85b2fb79d44e9aa875184fd"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"WhoAmI"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Caller"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Caller"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Viewer"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"tenant"}}]}}]} as unknown as DocumentNode<WhoAmIQuery, WhoAmIQueryVariables>;
export const ScoreDocument = {"__meta__":{"hash":"sha256:710bb5232fd8c6d2d6776e61654fb88b3b80d4b8ab451bd0e11cc97c60559d6c"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"Score"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"PredictRiskInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"predictRisk"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"replayed"}},{"kind":"Field","name":{"kind":"Name","value":"prediction"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"band"}}]}}]}}]}}]} as unknown as DocumentNode<ScoreMutation, ScoreMutationVariables>;
export const WatchDocument = {"__meta__":{"hash":"sha256:f06e40ca041e3294d360c6201a6fa09f32f54c582e9d865aab63d2a1f948a862"},"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"Watch"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"highRiskScored"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}}]}}]}}]} as unknown as DocumentNode<WatchSubscription, WatchSubscriptionVariables>;