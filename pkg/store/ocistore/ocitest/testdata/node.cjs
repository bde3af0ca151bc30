// Copies objects with the OCI SDK for Node.js.
//
// usage: node node.cjs CONFIG ENDPOINT NAMESPACE BUCKET
//
// It prints one line for each call.
const common = require("oci-common");
const { ObjectStorageClient } = require("oci-objectstorage");

async function main([config, endpoint, namespaceName, bucketName]) {
  const client = new ObjectStorageClient(
    { authenticationDetailsProvider: new common.ConfigFileAuthenticationDetailsProvider(config, "DEFAULT") },
    { retryConfiguration: common.NoRetryConfigurationDetails },
  );
  client.endpoint = endpoint;
  const object = { namespaceName, bucketName, objectName: "events/å b.jsonl" };
  const put = { ...object, putObjectBody: "Malmö\n", contentLength: Buffer.byteLength("Malmö\n"), ifNoneMatch: "*" };

  console.log("namespace", (await client.getNamespace({})).value);
  await client.putObject(put);
  console.log("put");
  await client.putObject(put).catch((error) => console.log("put again", error.statusCode, error.serviceCode));
  console.log("head", (await client.headObject(object)).contentLength);
  const chunks = [];
  for await (const chunk of (await client.getObject(object)).value) chunks.push(Buffer.from(chunk));
  console.log("get", Buffer.concat(chunks).toString().trim());
  const list = await client.listObjects({ namespaceName, bucketName, prefix: "events/", fields: "name,size" });
  for (const { name, size } of list.listObjects.objects) console.log("list", name, size);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
