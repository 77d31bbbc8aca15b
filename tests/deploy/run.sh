#!/usr/bin/env bash
# What deploy/ has for Prometheus and Grafana: promtool takes the rules and the configuration, each
# alert fires when it has to and not a hair before, and the dashboard's expressions can be read.
# That the metrics exist which they name is held by tests/server/deploy_test.cpp.
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
command -v promtool >/dev/null || {
  echo "deploy: no promtool: apt-get install prometheus" >&2
  exit 1
}

cp "$source"/deploy/prometheus/*.yml "$source/tests/deploy/rules.test.yml" "$room"
cd "$room"
promtool check config prometheus.yml
promtool test rules rules.test.yml

# The dashboard's expressions as recording rules, for promtool to read; Grafana's variables stand for
# what Grafana puts in their place.
node --input-type=module - "$source/deploy/grafana/lyceum.json" >dashboard.yml <<'SCRIPT'
import { readFileSync } from 'node:fs'
const dashboard = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const variables = { $__rate_interval: '1m', $node: '.*' }
const ids = new Set()
const lines = ['groups:', '  - name: dashboard', '    rules:']
for (const panel of dashboard.panels) {
  if (ids.has(panel.id)) throw new Error(`two panels have the id ${panel.id}`)
  ids.add(panel.id)
  if (panel.targets.length === 0) throw new Error(`"${panel.title}" shows nothing`)
  for (const { expr } of panel.targets) {
    const said = expr.replace(/\$\w+/g, (name) => {
      if (!(name in variables)) throw new Error(`"${panel.title}" names ${name}, which is not there`)
      return variables[name]
    })
    lines.push('      - record: dashboard:expression', `        expr: ${JSON.stringify(said)}`,
      `        labels: {of: ${JSON.stringify(`${panel.title} ${lines.length}`)}}`)
  }
}
console.log(lines.join('\n'))
SCRIPT
promtool check rules dashboard.yml
