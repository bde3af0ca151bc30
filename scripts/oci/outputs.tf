output "env" {
  description = "Lines for the settings file of the collector."
  value = join("\n", concat(
    [
      "POLISEN_STORE=oci://${oci_objectstorage_bucket.archive.namespace}/${oci_objectstorage_bucket.archive.name}${var.prefix == "" ? "" : "/${var.prefix}"}",
      "OCI_REGION=${var.region}",
    ],
    var.create_vault ? concat(
      [
        "OCI_VAULT_ID=${oci_kms_vault.collector[0].id}",
        "OCI_VAULT_AUTH=instance_principal",
      ],
      var.vault_secret_prefix == "" ? [] : ["OCI_VAULT_SECRET_PREFIX=${var.vault_secret_prefix}"],
    ) : ["OCI_AUTH=${var.principal}"],
  ))
}

output "config" {
  description = "Content of the OCI config file for principal = api_key. The key file is the private half of api_public_key_path."
  value = !local.use_user ? "" : join("\n", [
    "[DEFAULT]",
    "user=${oci_identity_user.collector[0].id}",
    "fingerprint=${oci_identity_api_key.collector[0].fingerprint}",
    "tenancy=${var.tenancy_ocid}",
    "region=${var.region}",
    "key_file=~/.oci/key.pem",
  ])
}

output "bucket_ocid" {
  description = "OCID of the bucket."
  value       = oci_objectstorage_bucket.archive.bucket_id
}

output "vault_ocid" {
  description = "OCID of the vault, for the command that stores oci-private-key."
  value       = one(oci_kms_vault.collector[*].id)
}

output "vault_key_ocid" {
  description = "OCID of the key that encrypts the secrets, for the same command."
  value       = one(oci_kms_key.secrets[*].id)
}

output "stream" {
  description = "OCID and endpoint of the stream with messages about new objects."
  value = var.events != "stream" ? null : {
    ocid     = oci_streaming_stream.objects[0].id
    endpoint = oci_streaming_stream.objects[0].messages_endpoint
  }
}
