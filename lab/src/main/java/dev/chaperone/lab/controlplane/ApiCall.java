package dev.chaperone.lab.controlplane;

import java.time.Instant;

/// One finished call to the API server, as its audit log tells it. What a call does not have is an
/// empty string: a list has no name, a path such as `/version` has no resource.
///
/// @param user who called; a ServiceAccount is `system:serviceaccount:NAMESPACE:NAME`
/// @param group of the resource; the core one has no name
/// @param time when the API server received it
public record ApiCall(
    String user,
    String verb,
    String group,
    String resource,
    String subresource,
    String namespace,
    String name,
    int code,
    String userAgent,
    Instant time) {}
