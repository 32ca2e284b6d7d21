//go:build !linux && !darwin

package usage

func (*Capacity) readMemory() {}

func (*Capacity) readDisk(string) {}
