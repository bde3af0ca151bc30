#!/usr/bin/env node
// Runs queries over an archive with the DuckDB of npm, for machines without the duckdb program.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const usage = `usage: run.mjs [--json] [--set NAME=VALUE]... ARCHIVE FILE.sql...

Runs views.sql and then each FILE.sql over an archive, and prints the result of each query as a table.
ARCHIVE is the folder of the archive, or an address such as s3://bucket/prefix.

  --json            print JSON: for each query an array with an object for each row
  --set NAME=VALUE  set a variable of a query, such as day=2026-01-02; the comments in the files name them
  --help            print this help

examples:
  node scripts/queries/run.mjs ./archive scripts/queries/events-by-day.sql
  node scripts/queries/run.mjs --set search=kniv ./archive scripts/queries/text-search.sql
`;

// fail prints an error of one line and ends the process.
function fail(code, message) {
  console.error(`run.mjs: ${message}`);
  process.exit(code);
}

// options returns the parsed command line.
function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean' }, set: { type: 'string', multiple: true }, help: { type: 'boolean' } },
    });
    return { ...values, archive: positionals[0], files: positionals.slice(1) };
  } catch (err) {
    return fail(64, `${err.message.split('. ')[0]} (see --help)`);
  }
}

const stockholm = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'Europe/Stockholm', dateStyle: 'short', timeStyle: 'medium',
});

// plain returns a value of DuckDB as a value that JSON has. A TIMESTAMPTZ becomes Swedish local time with
// its offset, such as "2026-01-02 09:38:12+01:00".
function plain(value) {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value === null || typeof value !== 'object') return value;
  switch (value.constructor.name) {
    case 'DuckDBTimestampTZValue': {
      const seconds = value.micros / 1_000_000n;
      const local = stockholm.format(new Date(Number(seconds) * 1000));
      const minutes = Number((BigInt(Date.parse(`${local.replace(' ', 'T')}Z`)) / 1000n - seconds) / 60n);
      const two = (n) => String(n).padStart(2, '0');
      return `${local}${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
    }
    case 'DuckDBListValue':
      return value.items.map(plain);
    case 'DuckDBStructValue':
      return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, plain(entry)]));
    default:
      return String(value);
  }
}

// cell returns the text of a value in a table. Texts of events cannot control the terminal.
function cell(value) {
  const text = value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const shown = [...text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{FFFD}')];
  return shown.length > 60 ? `${shown.slice(0, 59).join('')}…` : shown.join('');
}

function printTable(names, rows) {
  const cells = rows.map((row) => row.map(cell));
  const widths = names.map((name, i) => cells.reduce((max, row) => Math.max(max, [...row[i]].length), name.length));
  const number = names.map((_, i) => rows.every((row) => row[i] === null || typeof row[i] === 'number'));
  const line = (texts) => texts.map((text, i) => {
    const blanks = ' '.repeat(widths[i] - [...text].length);
    return number[i] ? blanks + text : text + blanks;
  }).join('  ').trimEnd();
  const lines = [line(names), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)];
  console.log(`${lines.join('\n')}\n${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`);
}

function printJSON(names, rows) {
  const objects = rows.map((row) => JSON.stringify(Object.fromEntries(row.map((value, i) => [names[i], value]))));
  console.log(objects.length === 0 ? '[]' : `[\n${objects.join(',\n')}\n]`);
}

// checkFolder ends the process unless the archive is a folder that can be read.
function checkFolder(archive) {
  try {
    readdirSync(archive);
  } catch (err) {
    if (err.code === 'ENOENT' || err.code === 'ENOTDIR') {
      fail(64, `${archive} is not a folder: give the folder that holds events/ and metadata/`);
    }
    fail(1, `cannot read the archive: ${err.message}: run this as a user who may read it, or read a copy`);
  }
}

async function main() {
  const opts = options();
  if (opts.help) {
    process.stdout.write(usage);
    return;
  }
  if (opts.files.length === 0) fail(64, 'give the archive and at least one file of SQL (see --help)');
  const archive = opts.archive.replace(/(?<=.)\/+$/, '');
  if (!/^[a-z0-9]+:\/\//.test(archive)) checkFolder(archive);
  let duckdb;
  try {
    duckdb = await import('@duckdb/node-api');
  } catch (err) {
    fail(1, `cannot load DuckDB (${err.message.split('\n')[0]}): install it with npm ci --prefix scripts/queries`);
  }
  const connection = await (await duckdb.DuckDBInstance.create(':memory:')).connect();
  const set = (name, value) => connection.run(`SET VARIABLE "${name}" = '${value.replaceAll("'", "''")}'`);
  await set('archive', archive);
  for (const text of opts.set ?? []) {
    const [, name, value] = text.match(/^(\w+)=(.*)$/s) ?? fail(64, `--set ${text} has no form like day=2026-01-02`);
    await set(name, value);
  }
  await connection.run(readFileSync(fileURLToPath(new URL('views.sql', import.meta.url)), 'utf8'));
  for (const file of opts.files) {
    try {
      const statements = await connection.extractStatements(readFileSync(file, 'utf8'));
      for (let i = 0; i < statements.count; i++) {
        show(file, await (await statements.prepare(i)).runAndReadAll());
      }
    } catch (err) {
      fail(1, `${file}: ${err.message.trim().split('\n')[0]}`);
    }
  }

  // show prints the result of a statement. Statements that are no queries print nothing in JSON.
  function show(file, result) {
    const rows = result.getRows().map((row) => row.map(plain));
    if (result.statementType === duckdb.StatementType.SELECT) {
      (opts.json ? printJSON : printTable)(result.deduplicatedColumnNames(), rows);
    } else if (result.statementType === duckdb.StatementType.COPY && !opts.json) {
      console.log(`${file}: ${rows[0][0]} rows written`);
    }
  }
}

await main();
