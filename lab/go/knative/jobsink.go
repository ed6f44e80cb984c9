package main

// jobSink makes a Job for each event to a JobSink. Knative has it as a program and not as a package, and it listens on port
// 8080, always; so the lab's build takes a copy of it, as of the channel; see KnativeModules.java.
var jobSink func()
