data "oci_objectstorage_namespace" "tenancy" {
  compartment_id = var.tenancy_ocid
}

resource "oci_objectstorage_bucket" "archive" {
  namespace      = data.oci_objectstorage_namespace.tenancy.namespace
  compartment_id = var.compartment_ocid
  name           = var.bucket_name

  # A run reads and replaces the metadata document, and verify reads every object. Other
  # tiers charge for reading, and the Archive tier needs hours to restore an object.
  storage_tier = "Standard"
  auto_tiering = "Disabled"

  access_type           = "NoPublicAccess"
  object_events_enabled = var.events != "none"

  # A deleted or overwritten object stays as a previous version, which the lifecycle rule
  # deletes later. The collector deletes nothing, so this helps against other programs
  # and people.
  versioning = "Enabled"

  # There is no retention rule on purpose: the service would refuse to replace
  # metadata/last_seen.json, and each run with new events would fail.

  lifecycle {
    prevent_destroy = true
  }
}

resource "oci_objectstorage_object_lifecycle_policy" "archive" {
  namespace = oci_objectstorage_bucket.archive.namespace
  bucket    = oci_objectstorage_bucket.archive.name

  # No rule touches the current versions: the archive keeps all objects.

  # Each run replaces metadata/last_run.json, and each commit metadata/last_seen.json. Without
  # this rule their previous versions would grow much faster than the archive.
  rules {
    name        = "delete-previous-versions"
    target      = "previous-object-versions"
    action      = "DELETE"
    time_amount = var.previous_versions_days
    time_unit   = "DAYS"
    is_enabled  = true
  }

  # The collector makes no multipart uploads. Other tools do for large files, and the parts
  # of an upload that was not committed cost storage but show in no list of objects.
  rules {
    name        = "abort-multipart-uploads"
    target      = "multipart-uploads"
    action      = "ABORT"
    time_amount = 1
    time_unit   = "DAYS"
    is_enabled  = true
  }

  depends_on = [oci_identity_policy.lifecycle]
}

# The service works through the lifecycle rules with permissions of its own. Without them
# it refuses the rules.
resource "oci_identity_policy" "lifecycle" {
  provider = oci.home

  name           = "${var.name}-lifecycle"
  description    = "Object Storage works through the lifecycle rules of the events archive"
  compartment_id = var.compartment_ocid
  statements = [
    "Allow service objectstorage-${var.region} to manage object-family in compartment id ${var.compartment_ocid} where target.bucket.name='${var.bucket_name}'",
  ]
}
