/**
 * A small assembler for tests. It shares nothing with src/machine/isa: its table is the manual's
 * instruction listings ("RV32/64G Instruction Set Listings", vol. I §35, and §27 for C), written in
 * the manual's own notation, fields from bit 31 (or 15) down to bit 0.
 */

/** `name operands = fields`, and for a compressed instruction `=> what it stands for`. */
const LISTING = `
lui      rd,upper      = imm[31:12] rd 0110111
auipc    rd,upper      = imm[31:12] rd 0010111
jal      rd,target     = imm[20|10:1|11|19:12] rd 1101111
jalr     rd,imm(rs1)   = imm[11:0] rs1 000 rd 1100111
beq      rs1,rs2,target = imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011
bne      rs1,rs2,target = imm[12|10:5] rs2 rs1 001 imm[4:1|11] 1100011
blt      rs1,rs2,target = imm[12|10:5] rs2 rs1 100 imm[4:1|11] 1100011
bge      rs1,rs2,target = imm[12|10:5] rs2 rs1 101 imm[4:1|11] 1100011
bltu     rs1,rs2,target = imm[12|10:5] rs2 rs1 110 imm[4:1|11] 1100011
bgeu     rs1,rs2,target = imm[12|10:5] rs2 rs1 111 imm[4:1|11] 1100011
lb       rd,imm(rs1)   = imm[11:0] rs1 000 rd 0000011
lh       rd,imm(rs1)   = imm[11:0] rs1 001 rd 0000011
lw       rd,imm(rs1)   = imm[11:0] rs1 010 rd 0000011
ld       rd,imm(rs1)   = imm[11:0] rs1 011 rd 0000011
lbu      rd,imm(rs1)   = imm[11:0] rs1 100 rd 0000011
lhu      rd,imm(rs1)   = imm[11:0] rs1 101 rd 0000011
lwu      rd,imm(rs1)   = imm[11:0] rs1 110 rd 0000011
sb       rs2,imm(rs1)  = imm[11:5] rs2 rs1 000 imm[4:0] 0100011
sh       rs2,imm(rs1)  = imm[11:5] rs2 rs1 001 imm[4:0] 0100011
sw       rs2,imm(rs1)  = imm[11:5] rs2 rs1 010 imm[4:0] 0100011
sd       rs2,imm(rs1)  = imm[11:5] rs2 rs1 011 imm[4:0] 0100011
addi     rd,rs1,imm    = imm[11:0] rs1 000 rd 0010011
slti     rd,rs1,imm    = imm[11:0] rs1 010 rd 0010011
sltiu    rd,rs1,imm    = imm[11:0] rs1 011 rd 0010011
xori     rd,rs1,imm    = imm[11:0] rs1 100 rd 0010011
ori      rd,rs1,imm    = imm[11:0] rs1 110 rd 0010011
andi     rd,rs1,imm    = imm[11:0] rs1 111 rd 0010011
slli     rd,rs1,uimm   = 000000 uimm[5:0] rs1 001 rd 0010011
srli     rd,rs1,uimm   = 000000 uimm[5:0] rs1 101 rd 0010011
srai     rd,rs1,uimm   = 010000 uimm[5:0] rs1 101 rd 0010011
add      rd,rs1,rs2    = 0000000 rs2 rs1 000 rd 0110011
sub      rd,rs1,rs2    = 0100000 rs2 rs1 000 rd 0110011
sll      rd,rs1,rs2    = 0000000 rs2 rs1 001 rd 0110011
slt      rd,rs1,rs2    = 0000000 rs2 rs1 010 rd 0110011
sltu     rd,rs1,rs2    = 0000000 rs2 rs1 011 rd 0110011
xor      rd,rs1,rs2    = 0000000 rs2 rs1 100 rd 0110011
srl      rd,rs1,rs2    = 0000000 rs2 rs1 101 rd 0110011
sra      rd,rs1,rs2    = 0100000 rs2 rs1 101 rd 0110011
or       rd,rs1,rs2    = 0000000 rs2 rs1 110 rd 0110011
and      rd,rs1,rs2    = 0000000 rs2 rs1 111 rd 0110011
addiw    rd,rs1,imm    = imm[11:0] rs1 000 rd 0011011
slliw    rd,rs1,uimm   = 0000000 uimm[4:0] rs1 001 rd 0011011
srliw    rd,rs1,uimm   = 0000000 uimm[4:0] rs1 101 rd 0011011
sraiw    rd,rs1,uimm   = 0100000 uimm[4:0] rs1 101 rd 0011011
addw     rd,rs1,rs2    = 0000000 rs2 rs1 000 rd 0111011
subw     rd,rs1,rs2    = 0100000 rs2 rs1 000 rd 0111011
sllw     rd,rs1,rs2    = 0000000 rs2 rs1 001 rd 0111011
srlw     rd,rs1,rs2    = 0000000 rs2 rs1 101 rd 0111011
sraw     rd,rs1,rs2    = 0100000 rs2 rs1 101 rd 0111011
fence    pred,succ     = 0000 pred[3:0] succ[3:0] 00000 000 00000 0001111
pause                  = 0000 0001 0000 00000 000 00000 0001111
fence.i                = 000000000000 00000 001 00000 0001111
ecall                  = 000000000000 00000 000 00000 1110011
ebreak                 = 000000000001 00000 000 00000 1110011
csrrw    rd,csr,rs1    = csr[11:0] rs1 001 rd 1110011
csrrs    rd,csr,rs1    = csr[11:0] rs1 010 rd 1110011
csrrc    rd,csr,rs1    = csr[11:0] rs1 011 rd 1110011
csrrwi   rd,csr,uimm   = csr[11:0] uimm[4:0] 101 rd 1110011
csrrsi   rd,csr,uimm   = csr[11:0] uimm[4:0] 110 rd 1110011
csrrci   rd,csr,uimm   = csr[11:0] uimm[4:0] 111 rd 1110011
sret                   = 0001000 00010 00000 000 00000 1110011
mret                   = 0011000 00010 00000 000 00000 1110011
wfi                    = 0001000 00101 00000 000 00000 1110011
sfence.vma rs1,rs2     = 0001001 rs2 rs1 000 00000 1110011
sinval.vma rs1,rs2     = 0001011 rs2 rs1 000 00000 1110011
sfence.w.inval         = 0001100 00000 00000 000 00000 1110011
sfence.inval.ir        = 0001100 00001 00000 000 00000 1110011
mul      rd,rs1,rs2    = 0000001 rs2 rs1 000 rd 0110011
mulh     rd,rs1,rs2    = 0000001 rs2 rs1 001 rd 0110011
mulhsu   rd,rs1,rs2    = 0000001 rs2 rs1 010 rd 0110011
mulhu    rd,rs1,rs2    = 0000001 rs2 rs1 011 rd 0110011
div      rd,rs1,rs2    = 0000001 rs2 rs1 100 rd 0110011
divu     rd,rs1,rs2    = 0000001 rs2 rs1 101 rd 0110011
rem      rd,rs1,rs2    = 0000001 rs2 rs1 110 rd 0110011
remu     rd,rs1,rs2    = 0000001 rs2 rs1 111 rd 0110011
mulw     rd,rs1,rs2    = 0000001 rs2 rs1 000 rd 0111011
divw     rd,rs1,rs2    = 0000001 rs2 rs1 100 rd 0111011
divuw    rd,rs1,rs2    = 0000001 rs2 rs1 101 rd 0111011
remw     rd,rs1,rs2    = 0000001 rs2 rs1 110 rd 0111011
remuw    rd,rs1,rs2    = 0000001 rs2 rs1 111 rd 0111011
${[
  ['w', '010'],
  ['d', '011'],
]
  .map(
    ([width, funct3]) => `
lr.${width}      rd,(rs1)     = 00010 aq rl 00000 rs1 ${funct3} rd 0101111
sc.${width}      rd,rs2,(rs1) = 00011 aq rl rs2 rs1 ${funct3} rd 0101111
amoswap.${width} rd,rs2,(rs1) = 00001 aq rl rs2 rs1 ${funct3} rd 0101111
amoadd.${width}  rd,rs2,(rs1) = 00000 aq rl rs2 rs1 ${funct3} rd 0101111
amoxor.${width}  rd,rs2,(rs1) = 00100 aq rl rs2 rs1 ${funct3} rd 0101111
amoand.${width}  rd,rs2,(rs1) = 01100 aq rl rs2 rs1 ${funct3} rd 0101111
amoor.${width}   rd,rs2,(rs1) = 01000 aq rl rs2 rs1 ${funct3} rd 0101111
amomin.${width}  rd,rs2,(rs1) = 10000 aq rl rs2 rs1 ${funct3} rd 0101111
amomax.${width}  rd,rs2,(rs1) = 10100 aq rl rs2 rs1 ${funct3} rd 0101111
amominu.${width} rd,rs2,(rs1) = 11000 aq rl rs2 rs1 ${funct3} rd 0101111
amomaxu.${width} rd,rs2,(rs1) = 11100 aq rl rs2 rs1 ${funct3} rd 0101111`,
  )
  .join('')}
add.uw   rd,rs1,rs2    = 0000100 rs2 rs1 000 rd 0111011
sh1add   rd,rs1,rs2    = 0010000 rs2 rs1 010 rd 0110011
sh1add.uw rd,rs1,rs2   = 0010000 rs2 rs1 010 rd 0111011
sh2add   rd,rs1,rs2    = 0010000 rs2 rs1 100 rd 0110011
sh2add.uw rd,rs1,rs2   = 0010000 rs2 rs1 100 rd 0111011
sh3add   rd,rs1,rs2    = 0010000 rs2 rs1 110 rd 0110011
sh3add.uw rd,rs1,rs2   = 0010000 rs2 rs1 110 rd 0111011
slli.uw  rd,rs1,uimm   = 000010 uimm[5:0] rs1 001 rd 0011011
andn     rd,rs1,rs2    = 0100000 rs2 rs1 111 rd 0110011
orn      rd,rs1,rs2    = 0100000 rs2 rs1 110 rd 0110011
xnor     rd,rs1,rs2    = 0100000 rs2 rs1 100 rd 0110011
clz      rd,rs1        = 0110000 00000 rs1 001 rd 0010011
ctz      rd,rs1        = 0110000 00001 rs1 001 rd 0010011
cpop     rd,rs1        = 0110000 00010 rs1 001 rd 0010011
clzw     rd,rs1        = 0110000 00000 rs1 001 rd 0011011
ctzw     rd,rs1        = 0110000 00001 rs1 001 rd 0011011
cpopw    rd,rs1        = 0110000 00010 rs1 001 rd 0011011
max      rd,rs1,rs2    = 0000101 rs2 rs1 110 rd 0110011
maxu     rd,rs1,rs2    = 0000101 rs2 rs1 111 rd 0110011
min      rd,rs1,rs2    = 0000101 rs2 rs1 100 rd 0110011
minu     rd,rs1,rs2    = 0000101 rs2 rs1 101 rd 0110011
sext.b   rd,rs1        = 0110000 00100 rs1 001 rd 0010011
sext.h   rd,rs1        = 0110000 00101 rs1 001 rd 0010011
zext.h   rd,rs1        = 0000100 00000 rs1 100 rd 0111011
rol      rd,rs1,rs2    = 0110000 rs2 rs1 001 rd 0110011
rolw     rd,rs1,rs2    = 0110000 rs2 rs1 001 rd 0111011
ror      rd,rs1,rs2    = 0110000 rs2 rs1 101 rd 0110011
rorw     rd,rs1,rs2    = 0110000 rs2 rs1 101 rd 0111011
rori     rd,rs1,uimm   = 011000 uimm[5:0] rs1 101 rd 0010011
roriw    rd,rs1,uimm   = 0110000 uimm[4:0] rs1 101 rd 0011011
orc.b    rd,rs1        = 0010100 00111 rs1 101 rd 0010011
rev8     rd,rs1        = 0110101 11000 rs1 101 rd 0010011
bclr     rd,rs1,rs2    = 0100100 rs2 rs1 001 rd 0110011
bclri    rd,rs1,uimm   = 010010 uimm[5:0] rs1 001 rd 0010011
clmul    rd,rs1,rs2    = 0000101 rs2 rs1 001 rd 0110011
clmulh   rd,rs1,rs2    = 0000101 rs2 rs1 011 rd 0110011
clmulr   rd,rs1,rs2    = 0000101 rs2 rs1 010 rd 0110011
bext     rd,rs1,rs2    = 0100100 rs2 rs1 101 rd 0110011
bexti    rd,rs1,uimm   = 010010 uimm[5:0] rs1 101 rd 0010011
binv     rd,rs1,rs2    = 0110100 rs2 rs1 001 rd 0110011
binvi    rd,rs1,uimm   = 011010 uimm[5:0] rs1 001 rd 0010011
bset     rd,rs1,rs2    = 0010100 rs2 rs1 001 rd 0110011
bseti    rd,rs1,uimm   = 001010 uimm[5:0] rs1 001 rd 0010011
czero.eqz rd,rs1,rs2   = 0000111 rs2 rs1 101 rd 0110011
czero.nez rd,rs1,rs2   = 0000111 rs2 rs1 111 rd 0110011
cbo.inval (rs1)        = 0000000 00000 rs1 010 00000 0001111
cbo.clean (rs1)        = 0000000 00001 rs1 010 00000 0001111
cbo.flush (rs1)        = 0000000 00010 rs1 010 00000 0001111
cbo.zero (rs1)         = 0000000 00100 rs1 010 00000 0001111
wrs.nto                = 0000000 01101 00000 000 00000 1110011
wrs.sto                = 0000000 11101 00000 000 00000 1110011
prefetch.i imm(rs1)    = imm[11:5] 00000 rs1 110 00000 0010011 => ori zero,rs1,imm
prefetch.r imm(rs1)    = imm[11:5] 00001 rs1 110 00000 0010011 => ori zero,rs1,imm
prefetch.w imm(rs1)    = imm[11:5] 00011 rs1 110 00000 0010011 => ori zero,rs1,imm
${[
  ['s', '00', 'w', '010'],
  ['d', '01', 'd', '011'],
]
  .map(
    ([f, fmt, width, funct3]) => `
fl${width}      fd,imm(rs1)     = imm[11:0] rs1 ${funct3} rd 0000111
fs${width}      fs2,imm(rs1)    = imm[11:5] rs2 rs1 ${funct3} imm[4:0] 0100111
fmadd.${f}  fd,fs1,fs2,fs3,rm = rs3 ${fmt} rs2 rs1 rm rd 1000011
fmsub.${f}  fd,fs1,fs2,fs3,rm = rs3 ${fmt} rs2 rs1 rm rd 1000111
fnmsub.${f} fd,fs1,fs2,fs3,rm = rs3 ${fmt} rs2 rs1 rm rd 1001011
fnmadd.${f} fd,fs1,fs2,fs3,rm = rs3 ${fmt} rs2 rs1 rm rd 1001111
fadd.${f}   fd,fs1,fs2,rm   = 00000 ${fmt} rs2 rs1 rm rd 1010011
fsub.${f}   fd,fs1,fs2,rm   = 00001 ${fmt} rs2 rs1 rm rd 1010011
fmul.${f}   fd,fs1,fs2,rm   = 00010 ${fmt} rs2 rs1 rm rd 1010011
fdiv.${f}   fd,fs1,fs2,rm   = 00011 ${fmt} rs2 rs1 rm rd 1010011
fsqrt.${f}  fd,fs1,rm       = 01011 ${fmt} 00000 rs1 rm rd 1010011
fsgnj.${f}  fd,fs1,fs2      = 00100 ${fmt} rs2 rs1 000 rd 1010011
fsgnjn.${f} fd,fs1,fs2      = 00100 ${fmt} rs2 rs1 001 rd 1010011
fsgnjx.${f} fd,fs1,fs2      = 00100 ${fmt} rs2 rs1 010 rd 1010011
fmin.${f}   fd,fs1,fs2      = 00101 ${fmt} rs2 rs1 000 rd 1010011
fmax.${f}   fd,fs1,fs2      = 00101 ${fmt} rs2 rs1 001 rd 1010011
fle.${f}    rd,fs1,fs2      = 10100 ${fmt} rs2 rs1 000 rd 1010011
flt.${f}    rd,fs1,fs2      = 10100 ${fmt} rs2 rs1 001 rd 1010011
feq.${f}    rd,fs1,fs2      = 10100 ${fmt} rs2 rs1 010 rd 1010011
fcvt.w.${f}  rd,fs1,rm      = 11000 ${fmt} 00000 rs1 rm rd 1010011
fcvt.wu.${f} rd,fs1,rm      = 11000 ${fmt} 00001 rs1 rm rd 1010011
fcvt.l.${f}  rd,fs1,rm      = 11000 ${fmt} 00010 rs1 rm rd 1010011
fcvt.lu.${f} rd,fs1,rm      = 11000 ${fmt} 00011 rs1 rm rd 1010011
fcvt.${f}.w  fd,rs1,${f === 'd' ? 'exact' : 'rm'} = 11010 ${fmt} 00000 rs1 rm rd 1010011
fcvt.${f}.wu fd,rs1,${f === 'd' ? 'exact' : 'rm'} = 11010 ${fmt} 00001 rs1 rm rd 1010011
fcvt.${f}.l  fd,rs1,rm      = 11010 ${fmt} 00010 rs1 rm rd 1010011
fcvt.${f}.lu fd,rs1,rm      = 11010 ${fmt} 00011 rs1 rm rd 1010011
fclass.${f} rd,fs1          = 11100 ${fmt} 00000 rs1 001 rd 1010011
fmv.x.${width}  rd,fs1       = 11100 ${fmt} 00000 rs1 000 rd 1010011
fmv.${width}.x  fd,rs1       = 11110 ${fmt} 00000 rs1 000 rd 1010011`,
  )
  .join('')}
fcvt.s.d fd,fs1,rm     = 01000 00 00001 rs1 rm rd 1010011
fcvt.d.s fd,fs1,exact  = 01000 01 00000 rs1 rm rd 1010011
c.addi4spn rd,sp,nzuimm = 000 nzuimm[5:4|9:6|2|3] rd' 00    => addi rd,sp,imm
c.lw     rd,uimm(rs1)  = 010 uimm[5:3] rs1' uimm[2|6] rd' 00   => lw rd,imm(rs1)
c.ld     rd,uimm(rs1)  = 011 uimm[5:3] rs1' uimm[7:6] rd' 00   => ld rd,imm(rs1)
c.sw     rs2,uimm(rs1) = 110 uimm[5:3] rs1' uimm[2|6] rs2' 00  => sw rs2,imm(rs1)
c.sd     rs2,uimm(rs1) = 111 uimm[5:3] rs1' uimm[7:6] rs2' 00  => sd rs2,imm(rs1)
c.addi   rd,imm        = 000 imm[5] rd imm[4:0] 01             => addi rd,rd,imm
c.addiw  rd!0,imm      = 001 imm[5] rd imm[4:0] 01             => addiw rd,rd,imm
c.li     rd,imm        = 010 imm[5] rd imm[4:0] 01             => addi rd,zero,imm
c.addi16sp sp,nzimm    = 011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01 => addi sp,sp,imm
c.lui    rd!2,nzupper  = 011 nzimm[17] rd nzimm[16:12] 01      => lui rd,upper
c.srli   rd,uimm       = 100 uimm[5] 00 rd' uimm[4:0] 01       => srli rd,rd,uimm
c.srai   rd,uimm       = 100 uimm[5] 01 rd' uimm[4:0] 01       => srai rd,rd,uimm
c.andi   rd,imm        = 100 imm[5] 10 rd' imm[4:0] 01         => andi rd,rd,imm
c.sub    rd,rs2        = 100 0 11 rd' 00 rs2' 01               => sub rd,rd,rs2
c.xor    rd,rs2        = 100 0 11 rd' 01 rs2' 01               => xor rd,rd,rs2
c.or     rd,rs2        = 100 0 11 rd' 10 rs2' 01               => or rd,rd,rs2
c.and    rd,rs2        = 100 0 11 rd' 11 rs2' 01               => and rd,rd,rs2
c.subw   rd,rs2        = 100 1 11 rd' 00 rs2' 01               => subw rd,rd,rs2
c.addw   rd,rs2        = 100 1 11 rd' 01 rs2' 01               => addw rd,rd,rs2
c.j      target        = 101 imm[11|4|9:8|10|6|7|3:1|5] 01     => jal zero,target
c.beqz   rs1,target    = 110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01 => beq rs1,zero,target
c.bnez   rs1,target    = 111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01 => bne rs1,zero,target
c.slli   rd,uimm       = 000 uimm[5] rd uimm[4:0] 10           => slli rd,rd,uimm
c.lwsp   rd!0,uimm(sp) = 010 uimm[5] rd uimm[4:2|7:6] 10       => lw rd,imm(sp)
c.ldsp   rd!0,uimm(sp) = 011 uimm[5] rd uimm[4:3|8:6] 10       => ld rd,imm(sp)
c.jr     rs1!0         = 100 0 rs1 00000 10                    => jalr zero,0(rs1)
c.mv     rd,rs2!0      = 100 0 rd rs2 10                       => add rd,zero,rs2
c.ebreak               = 100 1 00000 00000 10                  => ebreak
c.jalr   rs1!0         = 100 1 rs1 00000 10                    => jalr ra,0(rs1)
c.add    rd,rs2!0      = 100 1 rd rs2 10                       => add rd,rd,rs2
c.swsp   rs2,uimm(sp)  = 110 uimm[5:2|7:6] rs2 10              => sw rs2,imm(sp)
c.sdsp   rs2,uimm(sp)  = 111 uimm[5:3|8:6] rs2 10              => sd rs2,imm(sp)
c.fld    fd,uimm(rs1)  = 001 uimm[5:3] rs1' uimm[7:6] rd' 00   => fld fd,imm(rs1)
c.fsd    fs2,uimm(rs1) = 101 uimm[5:3] rs1' uimm[7:6] rs2' 00  => fsd fs2,imm(rs1)
c.fldsp  fd,uimm(sp)   = 001 uimm[5] rd uimm[4:3|8:6] 10       => fld fd,imm(sp)
c.fsdsp  fs2,uimm(sp)  = 101 uimm[5:3|8:6] rs2 10              => fsd fs2,imm(sp)
c.lbu    rd,uimm(rs1)  = 100 000 rs1' uimm[0|1] rd' 00         => lbu rd,imm(rs1)
c.lhu    rd,uimm(rs1)  = 100 001 rs1' 0 uimm[1] rd' 00         => lhu rd,imm(rs1)
c.lh     rd,uimm(rs1)  = 100 001 rs1' 1 uimm[1] rd' 00         => lh rd,imm(rs1)
c.sb     rs2,uimm(rs1) = 100 010 rs1' uimm[0|1] rs2' 00        => sb rs2,imm(rs1)
c.sh     rs2,uimm(rs1) = 100 011 rs1' 0 uimm[1] rs2' 00        => sh rs2,imm(rs1)
c.zext.b rd            = 100 111 rd' 11 000 01                 => andi rd,rd,255
c.sext.b rd            = 100 111 rd' 11 001 01                 => sext.b rd,rd
c.zext.h rd            = 100 111 rd' 11 010 01                 => zext.h rd,rd
c.sext.h rd            = 100 111 rd' 11 011 01                 => sext.h rd,rd
c.zext.w rd            = 100 111 rd' 11 100 01                 => add.uw rd,rd,zero
c.not    rd            = 100 111 rd' 11 101 01                 => xori rd,rd,-1
c.mul    rd,rs2        = 100 111 rd' 10 rs2' 01                => mul rd,rd,rs2
`;

/** One run of instruction bits: constant, or bits `to..to+width-1` of an operand. */
interface Piece {
  readonly at: number;
  readonly width: number;
  readonly operand?: string;
  readonly to: number;
  readonly constant: number;
}

export interface Row {
  readonly name: string;
  /** The operands as written, e.g. `rd,imm(rs1)`, without the marks below. */
  readonly syntax: string;
  /** Operands in the order of the syntax. */
  readonly operands: readonly string[];
  /** Registers that are three bits wide: x8 to x15. */
  readonly short: ReadonlySet<string>;
  /** A register that an operand must not be. */
  readonly not: ReadonlyMap<string, number>;
  readonly bytes: 2 | 4;
  readonly pieces: readonly Piece[];
  readonly standsFor?: string;
}

const VALUE_OF: Record<string, string> = {
  upper: 'imm',
  nzupper: 'nzimm',
  target: 'imm',
  fd: 'rd',
  fs1: 'rs1',
  fs2: 'rs2',
  fs3: 'rs3',
  exact: 'rm',
};
/** The operand of the fields that an operand of the syntax fills. */
export const fieldOf = (operand: string): string => VALUE_OF[operand] ?? operand;

const isRegister = (operand: string): boolean => /^([rf]d|[rf]s[123])$/.test(operand);
const REGISTER_AT: Record<string, number> = {};

function parseRow(line: string): Row {
  const [left, right] = line.split(/ = /) as [string, string];
  const [fields, standsFor] = right.split(/=>/) as [string, string | undefined];
  const [name, marked = ''] = left.trim().split(/\s+/) as [string, string?];
  const not = new Map<string, number>();
  const syntax = marked.replaceAll(/(\w+)!(\d+)/g, (_, operand: string, register: string) => {
    not.set(operand, Number(register));
    return operand;
  });
  const short = new Set<string>();
  const pieces: Piece[] = [];
  const push = (width: number, rest: Partial<Piece>): void => {
    pieces.push({ at: 0, width, to: 0, constant: 0, ...rest });
  };
  for (const token of fields.trim().split(/\s+/)) {
    const sliced = /^(\w+)\[(.*)\]$/.exec(token);
    if (/^[01]+$/.test(token)) push(token.length, { constant: Number.parseInt(token, 2) });
    else if (sliced !== null) {
      for (const range of (sliced[2] as string).split('|')) {
        const [high, low] = range.split(':').map(Number) as [number, number?];
        push(high - (low ?? high) + 1, { operand: sliced[1] as string, to: low ?? high });
      }
    } else if (token === 'aq' || token === 'rl') push(1, { operand: token });
    else if (token === 'rm') push(3, { operand: token });
    else if (token.endsWith("'")) {
      short.add(token.slice(0, -1));
      push(3, { operand: token.slice(0, -1) });
    } else push(5, { operand: token });
  }
  const total = pieces.reduce((sum, { width }) => sum + width, 0);
  if (total !== 32 && total !== 16) throw new Error(`${name}: ${total} bits in the listing`);
  let at = total;
  const placed = pieces.map((piece) => ({ ...piece, at: (at -= piece.width) }));
  const operands = syntax.split(/[,()]/).filter((operand) => operand !== '' && operand !== 'sp');
  return {
    name,
    syntax,
    operands,
    short,
    not,
    bytes: total === 32 ? 4 : 2,
    pieces: placed,
    ...(standsFor === undefined ? {} : { standsFor: standsFor.trim() }),
  };
}

/** Every instruction of the machine. */
export const ROWS: ReadonlyMap<string, Row> = new Map(
  LISTING.trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const row = parseRow(line);
      return [row.name, row];
    }),
);

export const rowOf = (name: string): Row => {
  const row = ROWS.get(name);
  if (row === undefined) throw new Error(`no instruction '${name}'`);
  return row;
};

const isSigned = (operand: string): boolean => operand === 'imm' || operand === 'nzimm';

/** The value that an encoding's fields give back; what does not survive does not fit. */
function readBack(row: Row, operand: string, raw: number): number {
  let value = 0;
  let top = 0;
  for (const { operand: name, at, width, to } of row.pieces) {
    if (name !== operand) continue;
    value += ((raw >>> at) & (2 ** width - 1)) * 2 ** to;
    top = Math.max(top, to + width);
  }
  return isSigned(operand) && value >= 2 ** (top - 1) ? value - 2 ** top : value;
}

/** The smallest and largest value of an operand's fields, and the step between values. */
export function rangeOf(row: Row, operand: string): { min: number; max: number; step: number } {
  const mine = row.pieces.filter((piece) => piece.operand === operand);
  const top = Math.max(...mine.map(({ to, width }) => to + width));
  const step = 2 ** Math.min(...mine.map(({ to }) => to));
  return isSigned(operand)
    ? { min: -(2 ** (top - 1)), max: 2 ** (top - 1) - step, step }
    : { min: 0, max: 2 ** top - step, step };
}

/**
 * Encodes one instruction. Registers are numbers; `imm` of a branch or jump is the distance, of `lui`
 * and `auipc` the whole value with its low 12 bits zero.
 * @throws RangeError for an operand that the encoding cannot hold
 */
export function encode(name: string, operands: Readonly<Record<string, number>> = {}): number {
  const row = rowOf(name);
  let raw = 0;
  for (const { at, width, operand, to, constant } of row.pieces) {
    let bits = constant;
    if (operand !== undefined) {
      let value = operands[operand] ?? 0;
      if (row.short.has(operand)) value -= 8;
      bits = Math.floor(value / 2 ** to) & (2 ** width - 1);
      if (width === 32) bits = value;
    }
    raw = (raw | (bits << at)) >>> 0;
  }
  for (const operand of new Set(row.pieces.map((piece) => piece.operand))) {
    if (operand === undefined) continue;
    const value = (operands[operand] ?? 0) - (row.short.has(operand) ? 8 : 0);
    if (readBack(row, operand, raw) !== value || (operand.startsWith('nz') && value === 0))
      throw new RangeError(`${name}: ${operand} cannot be ${operands[operand]}`);
    if (row.not.get(operand) === operands[operand] && row.not.has(operand))
      throw new RangeError(`${name}: ${operand} must not be x${operands[operand]}`);
  }
  return raw;
}

const ABI = (
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 ' +
  's2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'
).split(' ');
for (const [index, name] of ABI.entries()) {
  REGISTER_AT[name] = index;
  REGISTER_AT[`x${index}`] = index;
}
REGISTER_AT['fp'] = 8;
const FLOAT_ABI = (
  'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 ' +
  'fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11'
).split(' ');
for (const [index, name] of FLOAT_ABI.entries()) REGISTER_AT[name] = index;
/** By number, as rm and frm have them. */
export const ROUNDING_MODES: readonly string[] = 'rne rtz rdn rup rmm 5 6 dyn'.split(' ');
/** Number of a register by ABI name or as `x7`. */
export function registerNumber(name: string): number {
  const register = REGISTER_AT[name];
  if (register === undefined) throw new Error(`no register '${name}'`);
  return register;
}

/** CSR numbers by name (vol. II §2.2). */
export const CSR_NUMBERS: Readonly<Record<string, number>> = {
  fflags: 0x001,
  frm: 0x002,
  fcsr: 0x003,
  cycle: 0xc00,
  time: 0xc01,
  instret: 0xc02,
  hpmcounter3: 0xc03,
  hpmcounter31: 0xc1f,
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  mvendorid: 0xf11,
  marchid: 0xf12,
  mimpid: 0xf13,
  mhartid: 0xf14,
  mconfigptr: 0xf15,
  mstatus: 0x300,
  misa: 0x301,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mcountinhibit: 0x320,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpcfg1: 0x3a1,
  pmpcfg2: 0x3a2,
  pmpcfg4: 0x3a4,
  pmpcfg14: 0x3ae,
  mseccfg: 0x747,
  tselect: 0x7a0,
  tdata1: 0x7a1,
  tdata2: 0x7a2,
  tdata3: 0x7a3,
  tinfo: 0x7a4,
  mkeys: 0x7c0,
  mcycle: 0xb00,
  minstret: 0xb02,
  mhpmcounter3: 0xb03,
  mhpmevent3: 0x323,
  ...Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`pmpaddr${n}`, 0x3b0 + n])),
};
export const csrNumber = (name: string): number => {
  const number = CSR_NUMBERS[name] ?? Number(name);
  if (!Number.isInteger(number)) throw new Error(`no CSR '${name}'`);
  return number;
};

/** What an assembly gives: bytes, and the addresses of its labels. */
export interface Assembled {
  readonly base: bigint;
  readonly bytes: Uint8Array;
  readonly labels: ReadonlyMap<string, bigint>;
}

/** The instructions that put a 64-bit constant into a register. */
function loadImmediate(rd: string, value: bigint): string[] {
  const v = BigInt.asIntN(64, value);
  if (v >= -2048n && v < 2048n) return [`addi ${rd},zero,${v}`];
  const low = BigInt.asIntN(12, v);
  if (v === BigInt.asIntN(32, v)) {
    const upper = BigInt.asUintN(20, (v - low) >> 12n);
    return [`lui ${rd},${upper}`, ...(low === 0n ? [] : [`addiw ${rd},${rd},${low}`])];
  }
  const rest = (v - low) >> 12n;
  return [
    ...loadImmediate(rd, BigInt.asIntN(52, rest)),
    `slli ${rd},${rd},12`,
    ...(low === 0n ? [] : [`addi ${rd},${rd},${low}`]),
  ];
}

/** Pseudoinstructions (vol. I, "RISC-V Assembly Programmer's Handbook"). */
function expand(mnemonic: string, operands: string[]): string[] {
  const [a = '', b = ''] = operands;
  switch (mnemonic) {
    case 'li':
      return loadImmediate(a, BigInt(b.startsWith('-') ? -BigInt(b.slice(1)) : b));
    case 'la':
      return [`auipc ${a},%hi(${b})`, `addi ${a},${a},%lo(${b})`];
    case 'nop':
      return ['addi zero,zero,0'];
    case 'mv':
      return [`addi ${a},${b},0`];
    case 'j':
      return [`jal zero,${a}`];
    case 'call':
      return [`jal ra,${a}`];
    case 'jr':
      return [`jalr zero,0(${a})`];
    case 'ret':
      return ['jalr zero,0(ra)'];
    case 'beqz':
      return [`beq ${a},zero,${b}`];
    case 'bnez':
      return [`bne ${a},zero,${b}`];
    case 'csrr':
      return [`csrrs ${a},${b},zero`];
    case 'csrw':
      return [`csrrw zero,${a},${b}`];
    case 'csrs':
      return [`csrrs zero,${a},${b}`];
    case 'csrc':
      return [`csrrc zero,${a},${b}`];
    case 'csrwi':
    case 'csrsi':
    case 'csrci':
      return [`csrr${mnemonic.slice(3)} zero,${a},${b}`];
    case 'fence':
      return [operands.length === 0 ? 'fence iorw,iorw' : `fence ${a},${b}`];
    case 'sfence.vma':
    case 'sinval.vma':
      return [`${mnemonic} ${a === '' ? 'zero' : a},${b === '' ? 'zero' : b}`];
    default:
      return [`${mnemonic} ${operands.filter((operand) => operand !== '').join(',')}`];
  }
}

const orderingSet = (text: string): number =>
  [...text.replace('0', '')].reduce((bits, letter) => bits | (8 >> 'iorw'.indexOf(letter)), 0);

/** One real instruction; `resolve` gives a label's address. */
function assembleOne(text: string, pc: bigint, resolve: (label: string) => bigint): number {
  const [full, rest = ''] = text.split(/\s+(.*)/) as [string, string?];
  const ordering = /^((?:lr|sc|amo\w+)\.[wd])(?:\.(aqrl|aq|rl))?$/.exec(full);
  const name = ordering?.[1] ?? full;
  const row = rowOf(name);
  const given = rest
    .split(/[,()]/)
    .map((operand) => operand.trim())
    .filter((operand) => operand !== '');
  const names = row.syntax.split(/[,()]/).filter((operand) => operand !== '');
  const hasReloc = /%(hi|lo)\((\w+)\)/.exec(rest);
  const values: Record<string, number> = {
    aq: /aq/.test(ordering?.[2] ?? '') ? 1 : 0,
    rl: /rl/.test(ordering?.[2] ?? '') ? 1 : 0,
  };
  if (hasReloc !== null) {
    // auipc is the instruction before: the low part is relative to it.
    const origin = hasReloc[1] === 'hi' ? pc : pc - 4n;
    const distance = Number(resolve(hasReloc[2] as string) - origin);
    const low = (distance << 20) >> 20;
    values['rd'] = registerNumber(given[0] as string);
    if (hasReloc[1] === 'hi') values['imm'] = distance - low;
    else {
      values['rs1'] = registerNumber(given[1] as string);
      values['imm'] = low;
    }
    return encode(name, values);
  }
  // A rounding mode may be left out: then it is dynamic, or 0 where it does not matter.
  if (given.length === names.length - 1 && /rm|exact/.test(names.at(-1) as string))
    given.push(names.at(-1) === 'rm' ? 'dyn' : 'rne');
  if (given.length !== names.length)
    throw new Error(`'${text}' wants ${names.length} operands: ${name} ${row.syntax}`);
  for (const [index, operand] of names.entries()) {
    const value = given[index] as string;
    const field = fieldOf(operand);
    if (operand === 'sp') {
      if (value !== 'sp') throw new Error(`'${text}' wants sp`);
    } else if (isRegister(operand)) values[field] = registerNumber(value);
    else if (field === 'rm') values[field] = ROUNDING_MODES.indexOf(value);
    else if (operand === 'csr') values[field] = csrNumber(value);
    else if (operand === 'pred' || operand === 'succ') values[field] = orderingSet(value);
    else if (operand === 'upper' || operand === 'nzupper')
      values[field] = (Number(value) << 12) | 0;
    else if (operand === 'target')
      values[field] = Number((/^-?[0-9]/.test(value) ? BigInt(value) : resolve(value)) - pc);
    else values[field] = Number(value);
  }
  return encode(name, values);
}

/**
 * Assembles a program: one instruction a line, `label:`, `# comment`, and the directives `.byte`,
 * `.half`, `.word`, `.dword`, `.zero`, `.align` (in bytes).
 */
export function assemble(source: string, base = 0x8000_0000n): Assembled {
  const labels = new Map<string, bigint>();
  const items: { at: number; bytes: number; text: string; line: string }[] = [];
  let at = 0;
  const place = (bytes: number, text: string, line: string): void => {
    items.push({ at, bytes, text, line });
    at += bytes;
  };
  for (const whole of source.split('\n')) {
    let line = whole.replace(/#.*/, '').trim();
    for (let label; (label = /^(\w+):\s*/.exec(line)) !== null; line = line.slice(label[0].length))
      labels.set(label[1] as string, base + BigInt(at));
    if (line === '') continue;
    const [mnemonic, rest = ''] = line.split(/\s+(.*)/) as [string, string?];
    const operands = rest
      .split(',')
      .map((operand) => operand.trim())
      .filter((operand) => operand !== '');
    const size = { '.byte': 1, '.half': 2, '.word': 4, '.dword': 8 }[mnemonic];
    if (size !== undefined) for (const operand of operands) place(size, operand, line);
    else if (mnemonic === '.zero') at += Number(operands[0]);
    else if (mnemonic === '.align') at = Math.ceil(at / Number(operands[0])) * Number(operands[0]);
    else
      for (const real of expand(mnemonic, operands)) place(rowOf(nameOf(real)).bytes, real, line);
  }
  const bytes = new Uint8Array(at);
  const view = new DataView(bytes.buffer);
  const resolve = (label: string): bigint => {
    const address = labels.get(label);
    if (address === undefined) throw new Error(`no label '${label}'`);
    return address;
  };
  for (const item of items) {
    if (item.line.startsWith('.')) {
      const value = /^-?[0-9]/.test(item.text) ? BigInt(item.text) : resolve(item.text);
      for (let n = 0; n < item.bytes; n++)
        bytes[item.at + n] = Number((value >> BigInt(8 * n)) & 0xffn);
      continue;
    }
    const raw = assembleOne(item.text, base + BigInt(item.at), resolve);
    if (item.bytes === 2) view.setUint16(item.at, raw, true);
    else view.setUint32(item.at, raw, true);
  }
  return { base, bytes, labels };
}

const nameOf = (text: string): string =>
  (text.split(/\s/)[0] as string).replace(/^((?:lr|sc|amo\w+)\.[wd])\.(aqrl|aq|rl)$/, '$1');
