"""The contract of the model: its eleven features, as a client of the gateway sees them.

An "applicant" everywhere in this folder is a dict {feature name: value}; a missing value is left out.
"""

from paths import MODEL_NAME

MONEY = "currency units, in thousands"

HOME_LEVELS = ["rent", "owner", "priv", "ignore", "parents", "other"]
JOB_LEVELS = ["fixed", "partime", "freelance", "others"]


def _number(name, column, kind, minimum, maximum, unit, en, es, required=True):
    return {
        "column": column,
        "contract": {
            "name": name, "kind": kind, "required": required, "minimum": minimum, "maximum": maximum, "unit": unit,
            "description": {"en": en, "es": es},
        },
    }


def _category(name, column, categories, en, es):
    return {
        "column": column,
        "contract": {
            "name": name, "kind": "CATEGORY", "required": False, "categories": categories,
            "description": {"en": en, "es": es},
        },
    }


# In the order of the contract. `column` is the column of credit_data.csv.
FEATURES = [
    _number(
        "seniority", "Seniority", "INTEGER", 0, 60, "years",
        "Full years in the current job; 0 for less than one year.",
        "Años completos en el empleo actual; 0 si es menos de un año.",
    ),
    _category(
        "home", "Home", HOME_LEVELS,
        "Where the applicant lives: rent (rented), owner (owned, by public deed), priv (bought by private contract), "
        "ignore (kind of contract not known), parents (with the parents), other. Leave it out if unknown.",
        "Dónde vive el solicitante: rent (alquiler), owner (en propiedad, con escritura pública), priv (comprada con "
        "contrato privado), ignore (no se conoce el tipo de contrato), parents (con los padres), other (otra situación). "
        "Se omite si no se conoce.",
    ),
    _number(
        "time", "Time", "INTEGER", 1, 120, "months",
        "Term of the loan asked for, in months.",
        "Plazo del préstamo solicitado, en meses.",
    ),
    {
        "column": "Records",
        "contract": {
            "name": "records", "kind": "BOOLEAN", "required": True,
            "description": {
                "en": "Whether adverse credit records on the applicant exist, such as earlier payment defaults.",
                "es": "Si existen antecedentes crediticios negativos del solicitante, como impagos anteriores.",
            },
        },
    },
    _category(
        "job", "Job", JOB_LEVELS,
        "Kind of employment: fixed (permanent contract), partime (temporary or part-time contract), freelance "
        "(self-employed), others (any other situation). Leave it out if unknown.",
        "Tipo de empleo: fixed (contrato indefinido), partime (contrato temporal o a tiempo parcial), freelance "
        "(trabajador autónomo), others (cualquier otra situación). Se omite si no se conoce.",
    ),
    _number(
        "expenses", "Expenses", "NUMBER", 0, 1000, MONEY,
        "Regular living expenses, in thousands, for the same period as the income.",
        "Gastos habituales, en miles, para el mismo período que los ingresos.",
    ),
    _number(
        "income", "Income", "NUMBER", 0, 10000, MONEY,
        "Regular income, in thousands. Leave it out if unknown; 0 means that there is none.",
        "Ingresos habituales, en miles. Se omite si no se conocen; 0 significa que no hay ingresos.",
        required=False,
    ),
    _number(
        "assets", "Assets", "NUMBER", 0, 1000000, MONEY,
        "Value of what the applicant owns, in thousands. Leave it out if unknown; 0 means nothing.",
        "Valor del patrimonio del solicitante, en miles. Se omite si no se conoce; 0 significa que no tiene.",
        required=False,
    ),
    _number(
        "debt", "Debt", "NUMBER", 0, 100000, MONEY,
        "What is still owed on those assets, for example on a mortgage, in thousands. Leave it out if unknown; 0 means nothing.",
        "Importe pendiente de pago sobre ese patrimonio, por ejemplo de una hipoteca, en miles. Se omite si no se conoce; "
        "0 significa que no debe nada.",
        required=False,
    ),
    _number(
        "amount", "Amount", "NUMBER", 1, 50000, MONEY,
        "Amount of the loan asked for, in thousands.",
        "Importe del préstamo solicitado, en miles.",
    ),
    _number(
        "price", "Price", "NUMBER", 1, 100000, MONEY,
        "Price of the good that the loan is to pay for, in thousands.",
        "Precio del bien que se va a financiar, en miles.",
    ),
]

BY_NAME = {feature["contract"]["name"]: feature["contract"] for feature in FEATURES}
COLUMN_OF = {feature["contract"]["name"]: feature["column"] for feature in FEATURES}
NAMES = list(BY_NAME)
OPTIONAL = [name for name in NAMES if not BY_NAME[name]["required"]]
NUMERIC = [name for name in NAMES if BY_NAME[name]["kind"] in ("NUMBER", "INTEGER")]


def contract() -> dict:
    """The contents of contract.json."""
    return {
        "name": MODEL_NAME,
        "inputField": "consumerCredit",
        "description": {
            "en": "Probability that an applicant for a consumer loan (credit to buy a good) will default.",
            "es": "Probabilidad de impago de una persona que solicita un préstamo al consumo (crédito para comprar un bien).",
        },
        "features": [feature["contract"] for feature in FEATURES],
    }


def problems(applicant: dict) -> list[str]:
    """All violations of the contract by an applicant; empty if there are none."""
    found = [f"unknown feature {name}" for name in applicant if name not in BY_NAME]
    for name, rule in BY_NAME.items():
        if name not in applicant:
            if rule["required"]:
                found.append(f"{name} is missing")
            continue
        value, kind = applicant[name], rule["kind"]
        if kind == "BOOLEAN":
            right_kind = isinstance(value, bool)
        elif kind == "CATEGORY":
            right_kind = value in rule["categories"]
        else:
            right_kind = type(value) is int or (kind == "NUMBER" and type(value) is float)
            if right_kind and not rule["minimum"] <= value <= rule["maximum"]:
                found.append(f"{name} = {value} is out of range")
        if not right_kind:
            found.append(f"{name} = {value!r} is not a {kind}")
    return found
