import './models.css'
import { createRoot } from 'react-dom/client'
import { ModelsPage } from './ModelsPage'

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(<ModelsPage />)
