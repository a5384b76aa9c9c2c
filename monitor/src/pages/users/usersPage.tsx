import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Link } from 'wouter'
import type { User } from '../../../../src/contract/people.ts'
import { usersQuery } from '../../api/queries.ts'
import { Refused } from '../../parts/problem.tsx'
import { type Column, Table } from '../../parts/table.tsx'

/** Who is here, and what is theirs. */
const UsersPage = () => {
  const { data, error } = useQuery(usersQuery)
  useEffect(() => {
    document.title = 'Users · Culm'
  }, [])
  if (!data) return <Refused error={error} />
  return (
    <>
      <h1>Users</h1>
      <Table
        label="Users"
        rows={data.items}
        columns={columns}
        keyOf={({ experiment, name }) => `${experiment}/${name}`}
      />
    </>
  )
}
export default UsersPage

const columns: Column<User>[] = [
  {
    id: 'name',
    title: 'Name',
    cell: ({ name }) => (
      <Link href={`/workflows?owner=${encodeURIComponent(name)}`} className="thing">
        {name}
      </Link>
    ),
    sortBy: ({ name }) => name,
  },
  { id: 'experiment', title: 'Experiment', cell: ({ experiment }) => experiment, sortBy: (u) => u.experiment },
  {
    id: 'groups',
    title: 'Groups',
    cell: ({ groups }) => groups.map(({ name, role }) => (role === 'manager' ? `${name} (manager)` : name)).join(', '),
    isWide: true,
  },
  { id: 'roles', title: 'Roles', cell: ({ roles }) => roles.join(', '), isWide: true },
]
