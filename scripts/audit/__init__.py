"""`make audit`: known vulnerabilities of the locked packages, the licences of the installed ones, and an SBOM."""
