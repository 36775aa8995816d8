"""The what-if page: runs and studies of a folder, served on loopback, whose scenarios are moved and answered anew."""
