package main

import "strings"

// themes is everything that is tried.
var themes = []theme{
	{"signature and timestamp fields", signatureFields},
	{"timestamps", timestamps},
	{"lengths and chunks", framing},
	{"requests inside of requests", smuggling},
	{"bodies that do not come", slowness},
	{"contents of bodies", contents},
	{"targets and hosts", targets},
	{"methods", methods},
	{"fields that are ours alone", spoofing},
	{"every kind of scheme", schemes},
	{"HTTP/2", http2Attacks},
	{"HTTP/3", http3Attacks},
}

func times(n int, text string) string { return strings.Repeat(text, n) }
