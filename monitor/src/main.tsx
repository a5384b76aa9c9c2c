import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { makeQueryClient } from './api/queries.ts'
import { openSession } from './api/session.ts'
import { Shell } from './app/shell.tsx'
import { applyTheme } from './app/theme.ts'

applyTheme()
openSession()
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={makeQueryClient()}>
      <Shell />
    </QueryClientProvider>
  </StrictMode>,
)
