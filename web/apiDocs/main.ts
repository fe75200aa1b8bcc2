import 'swagger-ui-dist/swagger-ui.css'
import './apiDocs.css'
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle'
import { type OpenApi, problemCodes } from './problemCodes'

const response = await fetch('/api/openapi.json')
if (!response.ok) throw new Error(`/api/openapi.json answers ${response.status}`)
const spec = (await response.json()) as OpenApi

SwaggerUI({ spec, domNode: document.getElementById('operations'), deepLinking: true, validatorUrl: null, docExpansion: 'list' })

// The type of each problem leads to its code here.
const list = document.querySelector('#errors dl')
for (const { code, description } of problemCodes(spec)) {
  const [term, meaning] = [document.createElement('dt'), document.createElement('dd')]
  term.id = code
  term.textContent = code
  meaning.textContent = description
  list?.append(term, meaning)
}
document.getElementById(location.hash.slice(1))?.scrollIntoView()
