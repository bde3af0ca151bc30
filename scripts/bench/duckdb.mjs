// Makes the query in its argument with DuckDB, and prints the seconds that it took as
// JSON. bench.sh copies this file to where it installs @duckdb/node-api.
import { DuckDBInstance } from "@duckdb/node-api";

const database = await DuckDBInstance.create(":memory:", { threads: "1" });
const connection = await database.connect();
await connection.run("SELECT 1");
const before = process.cpuUsage();
await connection.runAndReadAll(process.argv[2]);
const used = process.cpuUsage(before);
console.log(JSON.stringify({ cpu: (used.user + used.system) / 1e6 }));
