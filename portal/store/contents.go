package store

// Contents tells a person, or a program that restores it, what a database or a backup of one holds.
type Contents struct {
	Version  int64 // of its tables
	People   int
	Settings map[string][]byte // see Settings
}
