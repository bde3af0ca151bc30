# The table in README.md shows which calls need which permission. A test records the calls
# of each command, and compares them with these statements.

locals {
  collectors = local.use_user ? "group id ${one(oci_identity_group.collectors[*].id)}" : "dynamic-group id ${one(oci_identity_dynamic_group.collectors[*].id)}"
  readers    = "group id ${oci_identity_group.readers.id}"

  # A request to list objects names no object, so statements with OBJECT_INSPECT cover the
  # whole bucket: they show the names, sizes and MD5 sums of its objects. The others cover the
  # objects below the prefix only.
  in_bucket = "target.bucket.name='${var.bucket_name}'"
  in_prefix = var.prefix == "" ? local.in_bucket : "${local.in_bucket}, target.object.name='${var.prefix}/*'"
}

# For collect, backfill and verify --repair.
resource "oci_identity_policy" "collectors" {
  provider = oci.home

  name           = "${var.name}-collectors"
  description    = "Write the archive of police events"
  compartment_id = var.compartment_ocid
  statements = [
    "Allow ${local.collectors} to manage objects in compartment id ${var.compartment_ocid} where all {${local.in_bucket}, request.permission='OBJECT_INSPECT'}",
    "Allow ${local.collectors} to manage objects in compartment id ${var.compartment_ocid} where all {${local.in_prefix}, any {request.permission='OBJECT_READ', request.permission='OBJECT_CREATE', request.permission='OBJECT_OVERWRITE'}}",
  ]
}

# For inspect-metadata, verify and verify --quick.
resource "oci_identity_policy" "readers" {
  provider = oci.home

  name           = "${var.name}-readers"
  description    = "Read the archive of police events"
  compartment_id = var.compartment_ocid
  statements = [
    "Allow ${local.readers} to read objects in compartment id ${var.compartment_ocid} where all {${local.in_bucket}, request.permission='OBJECT_INSPECT'}",
    "Allow ${local.readers} to read objects in compartment id ${var.compartment_ocid} where all {${local.in_prefix}, request.permission='OBJECT_READ'}",
  ]
}
