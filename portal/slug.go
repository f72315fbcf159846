package portal

// Reserved reports whether a slug stands for something else where names of APIs stand in addresses, such as
// /api/v1/apis/suggest. No entry gets one; one that has it from before is shown by its id.
func Reserved(slug string) bool { return slug == "suggest" }
