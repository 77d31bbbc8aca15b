// Embeds the files of the page into C++, as they are and compressed:
//
//   node tools/embed_web.mjs NODE_MODULES OUT.cpp
//
// Which files, as what, and under which policy the browser has them stands in web/files.mjs.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { gzipSync } from 'node:zlib'

import { files, policy } from '../web/files.mjs'

const [modules, out] = process.argv.slice(2)
if (out === undefined) {
  console.error('usage: embed_web.mjs NODE_MODULES OUT.cpp')
  process.exit(2)
}

// Adjacent literals: compilers need not accept one of more than 64 KiB.
const literal = (text) =>
  (text.match(/[^]{1,4000}/gu) ?? ['']).map((part) => `R"lyceum(${part})lyceum"`).join('\n')

const lines = (bytes) =>
  Array.from({ length: Math.ceil(bytes.length / 24) }, (_, at) => bytes.subarray(at * 24, at * 24 + 24).join(',')).join(
    ',\n',
  )

const embedded = files(modules).map(({ path, type, file }, at) => {
  const bytes = readFileSync(file)
  const text = bytes.toString('utf8')
  if (text.includes(')lyceum"')) throw new Error(`${file} holds the end of a raw literal`)
  const digest = createHash('sha256').update(bytes).digest('hex')
  const gzip = gzipSync(bytes, { level: 9 })
  return {
    array: `constexpr unsigned char kGzip${at}[] = {\n${lines(gzip)}};\n`,
    entry: `    {"${path}", "${type}", "${digest}",\n${literal(text)},\ngzip(kGzip${at})},\n`,
  }
})

mkdirSync(dirname(out), { recursive: true })
writeFileSync(
  out,
  `// Generated from web/ by tools/embed_web.mjs.
#include "server/web_files.h"

namespace lyceum::server {
namespace {

${embedded.map(({ array }) => array).join('')}
template <std::size_t N>
std::string_view gzip(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N};
}

const WebFile kFiles[] = {
${embedded.map(({ entry }) => entry).join('')}};

}  // namespace

std::span<const WebFile> web_files() {
  return kFiles;
}

std::string_view web_policy() {
  return "${policy}";
}

}  // namespace lyceum::server
`,
)
