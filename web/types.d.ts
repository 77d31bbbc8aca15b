// The admin API's answers (docs/admin-api.md) and what the modules hand to each other. For the
// checker alone: the browser never sees this file.

type Cell = string | number | null
type Row = Record<string, Cell>
type Kind = 'key' | 'text' | 'gauge' | 'counter'
type Unit =
  | 'text'
  | 'count'
  | 'number'
  | 'bytes'
  | 'bytes/s'
  | 'ms'
  | 'seconds'
  | 'per second'
  | 'percent'
  | 'share'
  | 'time'
  | 'yes'

interface Column {
  name: string
  kind: Kind
  meaning: string
}

interface Collector {
  name: string
  meaning: string
  scope: 'node' | 'database' | 'client'
  pace: 'fast' | 'slow'
  columns: Column[]
}

interface Sample {
  node: string
  database: string
  at: number
  epoch: number
  rows: Row[]
  rates?: (Record<string, number | null> | null)[]
}

interface Latest {
  collector: string
  samples: Sample[]
}

type Point = [number, number | null]

interface Series {
  labels: Record<string, string>
  points: Point[]
}

type Severity = 'critical' | 'warning' | 'info' | 'ok'

interface Verdict {
  rule: string
  collector: string
  severity: Severity
  node: string
  database: string
  labels: Record<string, string>
  summary: string
  why: string
  mend: string
}

interface Alert {
  rule: string
  collector: string
  state: 'pending' | 'firing' | 'resolved'
  severity: Severity
  labels: Record<string, string>
  since: number
  summary: string
  mend: string
  silenced: boolean
  inhibited: boolean
}

interface SeriesQuery {
  collector: string
  column: string
  by?: string[]
  where?: Record<string, string>
}

// What a chart draws: points by time, a place in the palette, and how.
interface Line {
  label: string
  points: Point[]
  colour: number | 'muted' | 'limit'
  dash?: boolean
  stack?: boolean
  // Not worth a figure in the legend: its label says all.
  silent?: boolean
}

interface Drawing {
  lines: Line[]
  unit: Unit
  // The range of time that is shown, ms since 1970.
  from: number
  to: number
  // One line under the title.
  note?: string
  // Why there is nothing to draw.
  why?: string
  // Begins at the least value rather than at zero.
  floating?: boolean
  // For figures of several sizes, all above zero.
  logarithmic?: boolean
}

// A row of a table with where it came from.
interface Placed {
  row: Row
  rates: Record<string, number | null> | null
  node: string
  database: string
  at: number
}

interface TableColumn {
  id: string
  label: string
  title?: string
  unit?: Unit
  value: (placed: any) => Cell
  render?: (placed: any) => Node | string
  wide?: boolean
}

interface Place {
  section: string
  range: string
  filter: string
  node: string
  open: string
}

interface Api {
  collectors(): Promise<Collector[]>
  latest(collector: string): Promise<Sample[]>
  series(query: SeriesQuery, span: { from: number; to: number; points: number }): Promise<Series[]>
  verdicts(): Promise<{ at: number; verdicts: Verdict[] }>
  alerts(): Promise<Alert[]>
  plan(where: {
    queryid: string
    database: string
    node: string
  }): Promise<{ plan: string | null; why_not: string | null }>
}

interface App {
  api: Api
  place(): Place
  go(change: Partial<Place>): void
  now(): number
  announce(text: string): void
  // Collectors that are off or fail, of those named.
  gaps(names: string[]): Promise<Gap[]>
  described(name: string): Promise<Collector | undefined>
}

interface Gap {
  collector: string
  node: string
  database: string
  state: string
  why: string
  mend: string
}

interface Section {
  id: string
  title: string
  key: string
  // Puts itself into the container once; refresh() fills it, and is called again and again.
  mount(container: HTMLElement, app: App): void
  refresh(): Promise<void>
  // Where keys go: rows of tables.
  tables?(): DataTable[]
  filter?(text: string): void
  // Its Escape: true where there was something to close.
  close?(): boolean
  // The longest that what it shows may be old, ms.
  every?(): number
}

interface DataTable {
  element: HTMLElement
  update(rows: any[]): void
  filter(text: string): void
  move(by: number): boolean
  close(): boolean
  open(key: string): void
  say(text: string): void
}

declare var uPlot: typeof import('uplot')
