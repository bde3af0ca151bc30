variable "tenancy_ocid" {
  description = "OCID of the tenancy. Console: profile menu, Tenancy."
  type        = string

  validation {
    condition     = startswith(var.tenancy_ocid, "ocid1.tenancy.")
    error_message = "The value of tenancy_ocid must begin with ocid1.tenancy."
  }
}

variable "compartment_ocid" {
  description = "OCID of the compartment for the bucket, the vault and the stream. The tenancy's OCID stands for its root compartment."
  type        = string

  validation {
    condition     = can(regex("^ocid1\\.(compartment|tenancy)\\.", var.compartment_ocid))
    error_message = "The value of compartment_ocid must begin with ocid1.compartment. or ocid1.tenancy."
  }
}

variable "region" {
  description = "Region of the bucket."
  type        = string
  default     = "eu-stockholm-1"
}

variable "bucket_name" {
  description = "Name of the bucket, unique within the tenancy and region."
  type        = string
  default     = "polisen-events"

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,256}$", var.bucket_name))
    error_message = "The value of bucket_name may hold letters, digits, and . _ - only."
  }
}

variable "prefix" {
  description = "Beginning of the names of all objects, without a slash at the end, if several archives share the bucket. Empty: the archive fills the bucket."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$", var.prefix)) && length(var.prefix) <= 256
    error_message = "The value of prefix may hold at most 256 letters, digits, . _ - and single slashes within; no part begins with a dot."
  }
}

variable "name" {
  description = "Beginning of the names of groups, policies, the user, the vault and the stream."
  type        = string
  default     = "polisen-events"
}

variable "previous_versions_days" {
  description = "Days after which a previous version of an object is deleted."
  type        = number
  default     = 30

  validation {
    condition     = var.previous_versions_days >= 1
    error_message = "The value of previous_versions_days must be at least 1."
  }
}

variable "principal" {
  description = "Who signs the collector's requests: instance_principal (compute instances, without a key) or api_key (a user with a key)."
  type        = string
  default     = "instance_principal"

  validation {
    condition     = contains(["instance_principal", "api_key"], var.principal)
    error_message = "The value of principal must be instance_principal or api_key."
  }
}

variable "instance_ocids" {
  description = "OCIDs of the compute instances that run the collector. Needed for instance_principal and for the vault."
  type        = list(string)
  default     = []
}

variable "user_email" {
  description = "Mail address of the collector's user, for api_key. Tenancies with identity domains ask for one."
  type        = string
  default     = null
}

variable "api_public_key_path" {
  description = "File with the public half of the user's API key in PEM form, for api_key. The private half never gets into Terraform's state."
  type        = string
  default     = null
}

variable "reader_user_ocids" {
  description = "OCIDs of the users that may read and verify the archive."
  type        = list(string)
  default     = []
}

variable "create_vault" {
  description = "Create a vault with the parts of the user's API key as secrets, for OCI_AUTH=vault. Needs principal = api_key."
  type        = bool
  default     = false
}

variable "vault_secret_prefix" {
  description = "Beginning of the names of the secrets (OCI_VAULT_SECRET_PREFIX)."
  type        = string
  default     = ""
}

variable "events" {
  description = "Where to send a message about each new object with events or revisions: none, stream or function."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "stream", "function"], var.events)
    error_message = "The value of events must be none, stream or function."
  }
}

variable "function_ocid" {
  description = "OCID of the function that gets the messages, for events = function."
  type        = string
  default     = null
}
