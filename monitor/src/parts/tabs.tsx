import { Link } from 'wouter'

export type Tab = { view: string; title: string }

/** The views of one thing, each with an address of its own. */
export const Tabs = ({ id, tabs, view }: { id: string; tabs: readonly Tab[]; view: string }) => (
  <nav className="tabs" aria-label={`Views of ${id}`}>
    {tabs.map((tab) => (
      <Link
        key={tab.view}
        href={tab.view ? `/${id}/${tab.view}` : `/${id}`}
        aria-current={tab.view === view ? 'page' : undefined}
      >
        {tab.title}
      </Link>
    ))}
  </nav>
)
