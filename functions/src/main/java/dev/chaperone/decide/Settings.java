package dev.chaperone.decide;

/// What the installation says for every Companion.
///
/// @param scope which namespaces are served
/// @param guards how guard pods look
/// @param marksNodes whether a cordoned node whose drain waits gets the condition of [DrainBlocked]
public record Settings(Scope scope, GuardSettings guards, boolean marksNodes) {}
