# A message about each new object with events or revisions, for consumers that need events
# as soon as they are stored. A consumer that reads the archive once an hour does not need it.

locals {
  in_archive = var.prefix == "" ? "" : "${var.prefix}/"
}

resource "oci_streaming_stream" "objects" {
  count = var.events == "stream" ? 1 : 0

  name               = "${var.name}-objects"
  compartment_id     = var.compartment_ocid
  partitions         = 1
  retention_in_hours = 168
}

resource "oci_events_rule" "objects" {
  count = var.events == "none" ? 0 : 1

  display_name   = "${var.name}-objects"
  description    = "New objects with police events"
  compartment_id = var.compartment_ocid
  is_enabled     = true

  # The collector creates each data object once. What it replaces, below metadata/, gives
  # events of type updateobject.
  condition = jsonencode({
    eventType = ["com.oraclecloud.objectstorage.createobject"]
    data = {
      resourceName      = ["${local.in_archive}events/*", "${local.in_archive}revisions/*"]
      additionalDetails = { bucketName = [var.bucket_name] }
    }
  })

  actions {
    actions {
      is_enabled  = true
      action_type = var.events == "function" ? "FAAS" : "OSS"
      stream_id   = one(oci_streaming_stream.objects[*].id)
      function_id = var.events == "function" ? var.function_ocid : null
    }
  }

  lifecycle {
    precondition {
      condition     = var.events != "function" || var.function_ocid != null
      error_message = "Set function_ocid to the function that gets the messages."
    }
  }
}
