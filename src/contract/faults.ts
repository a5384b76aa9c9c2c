import { Fault } from '../lib/fault.ts'

/**
 * Every error that Culm answers with, in one list: its HTTP status, what it means, and what to do about it.
 * Over the wire it is an RFC 9457 problem: `{ type, title, status, code, detail, help, … }`.
 */
export const faults = {
  // What was sent
  malformed_json: {
    status: 400,
    title: 'The body is not JSON',
    help: 'Send one JSON document as UTF-8; the position of the error is in the detail.',
  },
  invalid_input: {
    status: 400,
    title: 'A field is missing, unknown or of the wrong form',
    help: 'See `errors` for each field; /openapi.json has the whole schema.',
  },
  invalid_id: {
    status: 400,
    title: 'Not an id of this kind',
    help: 'Ids bear their noun: w12 is a workflow, t34 a task, j56 a job, p7 a pilot.',
  },
  invalid_cursor: {
    status: 400,
    title: 'Not a cursor of this list',
    help: 'Pass `next` of the previous page as it came, with the same filters.',
  },
  invalid_text: {
    status: 400,
    title: 'The text holds a lone surrogate',
    help: 'Escape it inside the value ("\\ud800" as six characters); the client libraries do.',
  },
  value_too_large: {
    status: 413,
    title: 'The value is too large to send inline',
    help: 'Store it first (POST /v1/blobs) and send its hash; the client libraries do so above 1 MB.',
  },
  body_too_large: {
    status: 413,
    title: 'The request is too large',
    help: 'Send jobs in parts of at most 16 MB; POST /v1/tasks/{id}/jobs adds to an open task.',
  },
  blob_too_large: {
    status: 413,
    title: 'Larger than one value or file may be',
    help: 'Keep it below the limit (1 GB by default), or write it to storage of your own and pass its place.',
  },
  callback_too_large: {
    status: 413,
    title: 'More than may be posted to a callback',
    help: 'Post at most 1 MB; keep what is larger in storage of your own, and post where it is.',
  },
  blob_mismatch: {
    status: 422,
    title: 'What arrived is not what the hash says',
    help: 'Send the bytes again; the SHA-256 in the address must be theirs.',
  },
  unsupported_media: { status: 415, title: 'Not a media type this address takes', help: 'Send application/json.' },
  malformed_http: {
    status: 400,
    title: 'The request is not HTTP/1.1 as the standard has it',
    help: 'Look at what stands between: a proxy, or a client that wrote the request by hand.',
  },
  // Who asks
  unauthenticated: {
    status: 401,
    title: 'No valid token came with the request',
    help: 'Send `Authorization: Bearer …`; on this machine the token is in CULM_HOME/token, elsewhere `culm login` gets one.',
  },
  forbidden: {
    status: 403,
    title: 'You have no right to do this',
    help: 'Ask its owner, or someone with a role in its group.',
  },
  csrf_missing: {
    status: 403,
    title: 'The request bears a session, but not the word that belongs to it',
    help: 'Send `x-culm-csrf` with the `csrf` of GET /v1/session; programs send a token (`Authorization: Bearer …`) instead.',
  },
  origin_foreign: {
    status: 403,
    title: 'Another site asks in the name of this session',
    help: 'Ask from a page of this server; behind a proxy, let it pass on the `Host` that the browser names.',
  },
  signature_invalid: {
    status: 403,
    title: 'The signed address is wrong or has expired',
    help: 'Ask for a new one: GET /v1/blobs/{hash} or POST /v1/blobs.',
  },
  callback_invalid: {
    status: 403,
    title: 'The address is not that of a callback, or not all of it',
    help: 'Use it as `callback` gave it, to the last character; in a shell between quotes, since & ends a command.',
  },
  callback_expired: {
    status: 403,
    title: 'The callback held until a time that is past',
    help: 'A later attempt of the job makes an address of its own; `callback(seconds=…)` says how long one holds.',
  },
  // What is asked for
  method_unknown: {
    status: 405,
    title: 'This address does not take that method',
    help: 'The Allow header has those it takes; /openapi.json says what each does.',
  },
  route_unknown: { status: 404, title: 'There is nothing at this address', help: '/openapi.json lists every address.' },
  workflow_unknown: { status: 404, title: 'No such workflow', help: '`culm ls` lists yours.' },
  task_unknown: { status: 404, title: 'No such task', help: '`culm show w12` lists the tasks of a workflow.' },
  job_unknown: { status: 404, title: 'No such job', help: '`culm show t34` lists the jobs of a task.' },
  trouble_unknown: {
    status: 404,
    title: 'No such trouble',
    help: 'The page Errors of the monitor lists those of your experiment.',
  },
  experiment_unknown: {
    status: 404,
    title: 'No such experiment',
    help: '`culm experiment ls` lists those you may see.',
  },
  user_unknown: { status: 404, title: 'No such user', help: '`culm user ls` lists those of your experiment.' },
  token_unknown: { status: 404, title: 'No such token', help: '`culm token ls` lists those you may take back.' },
  secret_unknown: {
    status: 404,
    title: 'No such secret',
    help: '`culm secret ls` lists yours; `culm secret set NAME` makes one.',
  },
  queue_unknown: { status: 404, title: 'No such queue', help: '`culm ls queues` lists the queues you may use.' },
  site_unknown: {
    status: 404,
    title: 'No such site',
    help: 'Name a site that has a queue; `culm ls queues` lists them.',
  },
  pilot_unknown: { status: 404, title: 'No such pilot', help: 'Register again: POST /v1/pilots.' },
  blob_unknown: {
    status: 404,
    title: 'Nothing is stored under this hash',
    help: 'Store it first: POST /v1/blobs, then PUT to the address it gives.',
  },
  bundle_unknown: {
    status: 404,
    title: 'No such bundle',
    help: 'Send the manifest first: POST /v1/bundles, then the files it asks for.',
  },
  // What stands in the way
  bundle_incomplete: {
    status: 409,
    title: 'Files of the bundle are missing',
    help: 'PUT each file of `missing`, then POST /v1/bundles again.',
  },
  name_taken: { status: 409, title: 'There is one of this name already', help: 'Choose another name.' },
  secret_keys_fixed: {
    status: 409,
    title: 'The keys of secrets come from the environment',
    help: 'Put a new key before the others in CULM_SECRET_KEYS, start the servers again, and rotate then.',
  },
  key_reused: {
    status: 409,
    title: 'This idempotency key was used with another body',
    help: 'Use a new key for a new request.',
  },
  key_in_flight: {
    status: 409,
    title: 'A request with this key is being answered',
    help: 'Wait for its answer, or repeat the request in a second.',
  },
  workflow_ended: {
    status: 409,
    title: 'The workflow has ended',
    help: 'Start a new one, or retry it (`culm retry w12`) when it did not end well; an ended workflow takes no more tasks.',
  },
  task_closed: {
    status: 409,
    title: 'The task takes no more jobs',
    help: 'Only a task submitted with `open: true` takes more, until it is closed.',
  },
  not_cancellable: { status: 409, title: 'It has ended already', help: '`culm show` says how.' },
  state_forbids: {
    status: 409,
    title: 'Its state does not allow this',
    help: '`culm show` says how it is; the detail says what to ask for instead.',
  },
  not_retriable: {
    status: 409,
    title: 'There is nothing that could run again',
    help: 'A retry is for what has ended other than well; the detail says what to ask for instead.',
  },
  code_changed: {
    status: 409,
    title: 'The source of this workflow was changed since it began',
    help: 'Put the source back, accept the change (`culm run --continue --accept-code`, or CULM_ACCEPT_CODE=1), or start anew without --continue.',
  },
  arguments_changed: {
    status: 409,
    title: 'This workflow was begun with other arguments',
    help: 'Continue it with the arguments it had, or start anew without --continue.',
  },
  journal_diverged: {
    status: 409,
    title: 'The program does not ask for what it asked for before',
    help: 'Take time, chance and outside facts from `journal` (`journal.now()`, `random`, `uuid`, `once`, `sleep`); or start anew without --continue.',
  },
  driver_replaced: {
    status: 409,
    title: 'A newer driver runs this workflow',
    help: 'End this process; the newer one goes on.',
  },
  pilot_replaced: {
    status: 409,
    title: 'A newer start of this pilot is known',
    help: 'End this process, or register again for a new epoch.',
  },
  pilot_elsewhere: {
    status: 409,
    title: 'A pilot of this name is at work on another machine',
    help: 'Give each pilot a folder of its own (`culm pilot --folder`), on a local disk; one that has moved may start when its earlier self was not heard for 45 s.',
  },
  attempt_over: {
    status: 409,
    title: 'The attempt that this was for is over',
    help: 'End it: its job was given to others, was cancelled, or has ended.',
  },
  callback_used: {
    status: 409,
    title: 'Something else was posted to this callback before',
    help: 'What was posted first counts, and stays. The same once more is answered as the first time.',
  },
  callback_over: {
    status: 409,
    title: 'The attempt that waited for this is over',
    help: '`culm show` says how it ended; a later attempt of the job makes an address of its own.',
  },
  jobs_out_of_order: {
    status: 409,
    title: 'These jobs do not follow those that the task has',
    help: 'Send them from the index `nextIndex` on; GET /v1/tasks/{id} counts what is there.',
  },
  fields_disagree: {
    status: 422,
    title: 'Each field is well-formed, but they do not go together',
    help: 'The detail names them, and says what it takes.',
  },
  bundle_invalid: {
    status: 422,
    title: 'The manifest contradicts itself',
    help: 'A path stands in it once, and is a file or a folder.',
  },
  environment_invalid: {
    status: 422,
    title: 'No environment can be made of this',
    help: 'The detail says which setting and line; docs/guide/environments.md shows how lock files are written.',
  },
  checkpoint_invalid: {
    status: 422,
    title: 'This cannot be kept for the next attempt',
    help: 'Keep a file or folder inside the working folder of the job: plain files, at most 20,000 of 1 GB each.',
  },
  parent_unknown: {
    status: 422,
    title: 'What it should run after does not exist, or is not yours',
    help: '`after` takes tasks and jobs that you can see.',
  },
  too_large_for_queue: {
    status: 422,
    title: 'No queue could ever run this',
    help: 'Ask for fewer cores or less memory, or name another queue or site.',
  },
  // What went wrong here
  overloaded: { status: 503, title: 'Too much is waiting', help: 'Try again after the seconds in Retry-After.' },
  database_away: {
    status: 503,
    title: 'The database does not answer',
    help: 'Try again; nothing that was acknowledged is lost. `culm doctor` looks at it.',
  },
  secret_key_missing: {
    status: 500,
    title: 'This server lacks the key that a secret is sealed with',
    help: 'Give all servers the same keys: see docs/operate/tokens-and-secrets.md.',
  },
  schema_behind: {
    status: 503,
    title: 'The database lacks migrations of this version',
    help: 'Was it put back to an older state? Start this server again: it migrates at its start.',
  },
  storage_away: {
    status: 503,
    title: 'The storage cannot be written',
    help: 'Is it mounted, and writable for the user that the server runs as? CULM_STORAGE names it.',
  },
  storage_full: {
    status: 507,
    title: 'The disk of the storage is full',
    help: 'Free some space; `culm doctor` shows where it went.',
  },
  internal: {
    status: 500,
    title: 'A bug in Culm',
    help: 'Please report it with the id of the request; the log has the rest.',
  },
  // On the machine of the user
  server_unknown: {
    status: 503,
    title: 'No Culm server was found',
    help: 'Start one with `culm up` (or `npx culm up`), or set CULM_SERVER and CULM_TOKEN.',
  },
  server_away: { status: 503, title: 'The server does not answer', help: 'Is it running? `culm doctor` looks.' },
  work_not_exported: {
    status: 422,
    title: 'A work must be an export of its module',
    help: 'Write `export const name = work(…)` at the top level of its file.',
  },
  work_during_import: {
    status: 422,
    title: 'A work was called while its module was being imported',
    help: 'Call it inside a function that another file calls (`culm run FILE` does), or, in Python, below `if __name__ == "__main__":`.',
  },
  call_in_fork: {
    status: 422,
    title: 'A work was called in a process that the job had forked',
    help: 'Call it in the process that runs the job; its connections belong to that.',
  },
  callback_misplaced: {
    status: 422,
    title: 'A callback belongs to one attempt of one job',
    help: 'Call `callback` inside a work, where it runs as a job, and return what it gave, by itself, as the value of that job.',
  },
  bundle_failed: {
    status: 422,
    title: 'The source could not be bundled',
    help: 'The detail is what the compiler said.',
  },
  bundle_has_credentials: {
    status: 422,
    title: 'A file that would be shipped holds credentials',
    help: 'Name it in .culmignore; what jobs need of it they get as a secret: `culm secret set NAME < FILE`, and `secrets` of the work.',
  },
  bundle_too_large: {
    status: 422,
    title: 'The sources are more than a bundle may hold',
    help: 'Name what is not needed in .culmignore (`culm bundle FILE --list` shows all), and keep data where jobs can read it.',
  },
  value_unsupported: {
    status: 422,
    title: 'A value of this type cannot be sent',
    help: 'Send plain data: numbers, text, lists, maps, dates, bytes.',
  },
  plain_http: {
    status: 422,
    title: 'Plain HTTP is only for this machine',
    help: 'Use https:// for a server elsewhere.',
  },
  home_on_network_fs: {
    status: 500,
    title: 'The data folder is on a network file system',
    help: 'Set CULM_HOME to a folder on a local disk, such as /var/tmp/$USER/culm.',
  },
  home_path_too_long: {
    status: 500,
    title: 'The path of the data folder is too long for a socket',
    help: 'Set CULM_HOME to a shorter path.',
  },
  home_disk_full: {
    status: 500,
    title: 'The disk of the data folder is full',
    help: 'Free some space, or set CULM_HOME to another disk.',
  },
  home_too_old: {
    status: 500,
    title: 'The data folder was made by another version',
    help: 'Use the version that made it, or move the folder away to start anew.',
  },
  home_in_use: {
    status: 500,
    title: 'Another process uses the data folder',
    help: 'Attach to it, or set CULM_HOME to another folder.',
  },
  home_not_writable: {
    status: 500,
    title: 'The data folder cannot be written',
    help: 'Set CULM_HOME to a folder of your own.',
  },
  postgres_missing: {
    status: 500,
    title: 'No PostgreSQL for this platform came with the package',
    help: 'Reinstall with optional dependencies, or set DATABASE_URL to a PostgreSQL of your own.',
  },
  postgres_failed: {
    status: 500,
    title: 'PostgreSQL did not start',
    help: 'Its last words are in the detail, and all of them in CULM_HOME/logs.',
  },
  migration_failed: {
    status: 500,
    title: 'The database could not be brought to this version',
    help: 'Nothing was changed. Report the detail.',
  },
} as const satisfies Record<string, { status: number; title: string; help: string }>

export type FaultCode = keyof typeof faults

/** A fault of the catalogue. `detail` says what is the matter this time; `data` is what a program wants of it. */
export const fault = (code: FaultCode, detail?: string, data?: Record<string, unknown>, cause?: unknown): Fault =>
  new Fault(code, detail ?? faults[code].title, { data, cause })

export type Problem = {
  type: string
  title: string
  status: number
  code: FaultCode
  detail: string
  help: string
} & Record<string, unknown>

/** The RFC 9457 document of a fault; what is not in the catalogue is `internal`, and says nothing of its inside. */
export const problemOf = (error: unknown): Problem => {
  const code = error instanceof Fault && error.code in faults ? (error.code as FaultCode) : 'internal'
  const { status, title, help } = faults[code]
  const detail = code === 'internal' ? title : (error as Fault).message
  const data = code === 'internal' ? {} : (error as Fault).data
  return { ...data, type: `urn:culm:fault:${code}`, title, status, code, detail, help }
}

/** The fault that a problem document stands for, on the client's side. */
export const faultOf = (problem: Partial<Problem>): Fault => {
  const { type: _type, title, status: _status, code, detail, help: _help, ...data } = problem
  return new Fault(code ?? 'internal', detail ?? title ?? 'the server answered with an error', { data })
}
