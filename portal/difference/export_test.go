package difference

// Hold makes the rules of a comparer wait until release is closed.
func Hold(c *Comparer, release <-chan struct{}) {
	c.deep = func(p prepared) Report {
		<-release
		return p.deep()
	}
}
