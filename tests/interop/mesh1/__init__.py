"""The mesh protocol, version 1, written from docs/protocol.md alone: it shares no code with the TypeScript library."""
