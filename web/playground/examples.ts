/** The tabs of a first visit. They use only fields that every release of the API has. */
export const examples = [
  {
    query: `# Scores one applicant and stores the prediction.
# For SCORER and ADMIN.
mutation PredictRisk {
  predictRisk(
    input: {
      applicantId: "A-1042"
      features: {
        consumerCredit: {
          seniority: 1
          home: "rent"
          time: 60
          records: true
          job: "freelance"
          expenses: 75
          income: 90
          assets: 0
          debt: 0
          amount: 1800
          price: 1950
        }
      }
    }
  ) {
    prediction {
      id
      probability
      band
      highRisk
    }
    replayed
  }
}
`,
  },
  {
    query: `# The first page of the history, newest first.
# For ANALYST and ADMIN; a SCORER sees its own.
query Predictions {
  predictions(first: 20, orderBy: CREATED_AT_DESC) {
    nodes {
      id
      applicantId
      probability
      band
      highRisk
      createdAt
      modelVersion {
        name
        version
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
  },
  {
    query: `# Sends every high-risk score from now on.
# For MONITOR, ANALYST and ADMIN. To receive one,
# run PredictRisk in a second window.
subscription HighRiskScored {
  highRiskScored {
    id
    cursor
    raisedAt
    prediction {
      id
      applicantId
      probability
      band
    }
  }
}
`,
  },
  {
    query: `# The served models and the features each expects.
# For every role.
query Models {
  models {
    name
    inputField
    contract {
      name
      kind
      required
      minimum
      maximum
      categories
      unit
      description
    }
  }
}
`,
  },
]
