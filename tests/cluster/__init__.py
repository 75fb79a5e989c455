"""Tests on several hosts: network namespaces of this machine with a name, an address, processes and an sshd of their own."""
