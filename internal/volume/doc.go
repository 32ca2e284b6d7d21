// Package volume makes file systems of a fixed size in files, and mounts them on directories, so that
// what writes there fills neither the disk of the machine nor its inodes.
//
// A volume is an ext4 file system. An image that exists holds the data: Make builds it aside, with
// what was in the directory, and puts it in place when it is whole. What is cut off in between is
// completed or undone by the next Open. An image is never attached twice: where another mount
// namespace has it, the same device is mounted once more. Growing needs no unmounting; to make one
// smaller is to make another.
//
// It takes root, loop devices, and the programs mke2fs, e2fsck, resize2fs and cp.
package volume
