terraform {
  required_version = ">= 1.5"

  required_providers {
    oci = {
      source  = "oracle/oci"
      version = ">= 6.0"
    }
  }
}

# The bucket, the vault and the stream are in this region. Without other settings the
# provider signs with the profile DEFAULT of ~/.oci/config.
provider "oci" {
  region = var.region
}

# Users, groups and policies can be changed in the home region of the tenancy only.
provider "oci" {
  alias  = "home"
  region = local.home_region
}

data "oci_identity_region_subscriptions" "all" {
  tenancy_id = var.tenancy_ocid
}

locals {
  home_region = one([for r in data.oci_identity_region_subscriptions.all.region_subscriptions : r.region_name if r.is_home_region])
}
