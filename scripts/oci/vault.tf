# A vault for OCI_AUTH=vault, for organisations that keep all keys in one: the instances read
# the user's API key from it.

resource "oci_kms_vault" "collector" {
  count = var.create_vault ? 1 : 0

  compartment_id = var.compartment_ocid
  display_name   = var.name
  vault_type     = "DEFAULT"

  lifecycle {
    precondition {
      condition     = local.use_user
      error_message = "The vault holds a user's API key: set principal = \"api_key\"."
    }
  }
}

# Encrypts the secrets. Keys that are protected by software are free.
resource "oci_kms_key" "secrets" {
  count = var.create_vault ? 1 : 0

  compartment_id      = var.compartment_ocid
  display_name        = "${var.name}-secrets"
  management_endpoint = oci_kms_vault.collector[0].management_endpoint
  protection_mode     = "SOFTWARE"

  key_shape {
    algorithm = "AES"
    length    = 32
  }
}

locals {
  # The private key, oci-private-key, is not among them: it would get into Terraform's
  # state. README.md shows the command that stores it.
  secrets = !var.create_vault ? {} : {
    "oci-user-ocid"    = one(oci_identity_user.collector[*].id)
    "oci-tenancy-ocid" = var.tenancy_ocid
    "oci-fingerprint"  = one(oci_identity_api_key.collector[*].fingerprint)
    "oci-region"       = var.region
  }
  secret_names = [for name in ["oci-user-ocid", "oci-tenancy-ocid", "oci-fingerprint", "oci-private-key", "oci-region"] : "${var.vault_secret_prefix}${name}"]
}

resource "oci_vault_secret" "collector" {
  for_each = local.secrets

  compartment_id = var.compartment_ocid
  vault_id       = oci_kms_vault.collector[0].id
  key_id         = oci_kms_key.secrets[0].id
  secret_name    = "${var.vault_secret_prefix}${each.key}"

  secret_content {
    content_type = "BASE64"
    content      = base64encode(each.value)
  }
}

# The collector needs the vault's OCID (OCI_VAULT_ID) then, and no permission to list vaults.
resource "oci_identity_policy" "vault" {
  provider = oci.home
  count    = var.create_vault ? 1 : 0

  name           = "${var.name}-vault"
  description    = "Read the API key of the collector of police events"
  compartment_id = var.compartment_ocid
  statements = [
    "Allow dynamic-group id ${oci_identity_dynamic_group.collectors[0].id} to read secret-bundles in compartment id ${var.compartment_ocid} where all {request.permission='SECRET_BUNDLE_READ', any {${join(", ", formatlist("target.secret.name='%s'", local.secret_names))}}}",
  ]
}
