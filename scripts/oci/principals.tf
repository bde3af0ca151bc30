locals {
  use_instances = var.principal == "instance_principal" || var.create_vault
  use_user      = var.principal == "api_key"
}

# The compute instances, which need no key.
resource "oci_identity_dynamic_group" "collectors" {
  provider = oci.home
  count    = local.use_instances ? 1 : 0

  name           = "${var.name}-collectors"
  description    = "Instances that run the collector of police events"
  compartment_id = var.tenancy_ocid
  matching_rule  = "Any {${join(", ", formatlist("instance.id = '%s'", var.instance_ocids))}}"

  lifecycle {
    precondition {
      condition     = length(var.instance_ocids) > 0
      error_message = "Set instance_ocids to the OCIDs of the instances that run the collector, or choose principal = \"api_key\" and create_vault = false."
    }
  }
}

# The user with an API key.
resource "oci_identity_user" "collector" {
  provider = oci.home
  count    = local.use_user ? 1 : 0

  name           = "${var.name}-collector"
  description    = "Collector of police events"
  email          = var.user_email
  compartment_id = var.tenancy_ocid
}

# The user can do nothing but sign requests with its API key.
resource "oci_identity_user_capabilities_management" "collector" {
  provider = oci.home
  count    = local.use_user ? 1 : 0

  user_id                      = oci_identity_user.collector[0].id
  can_use_api_keys             = true
  can_use_auth_tokens          = false
  can_use_console_password     = false
  can_use_customer_secret_keys = false
  can_use_smtp_credentials     = false
}

resource "oci_identity_api_key" "collector" {
  provider = oci.home
  count    = local.use_user ? 1 : 0

  user_id   = oci_identity_user.collector[0].id
  key_value = var.api_public_key_path == null ? "" : file(var.api_public_key_path)

  lifecycle {
    precondition {
      condition     = var.api_public_key_path != null
      error_message = "Set api_public_key_path to the file with the public half of the collector's key. README.md shows how to make one."
    }
  }
}

resource "oci_identity_group" "collectors" {
  provider = oci.home
  count    = local.use_user ? 1 : 0

  name           = "${var.name}-collector-users"
  description    = "Users whose keys sign the requests of the collector of police events"
  compartment_id = var.tenancy_ocid
}

resource "oci_identity_user_group_membership" "collector" {
  provider = oci.home
  count    = local.use_user ? 1 : 0

  group_id = oci_identity_group.collectors[0].id
  user_id  = oci_identity_user.collector[0].id
}

# The people and health checks that only read.
resource "oci_identity_group" "readers" {
  provider = oci.home

  name           = "${var.name}-readers"
  description    = "Users that read and verify the archive of police events"
  compartment_id = var.tenancy_ocid
}

resource "oci_identity_user_group_membership" "readers" {
  provider = oci.home
  for_each = toset(var.reader_user_ocids)

  group_id = oci_identity_group.readers.id
  user_id  = each.value
}
