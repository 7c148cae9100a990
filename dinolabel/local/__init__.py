"""What `dinolabel up` is made of: everything for a person with a folder of photos and no Label Studio."""
